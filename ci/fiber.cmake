# SPDX-FileCopyrightText: the sinval authors
# SPDX-License-Identifier: MIT
#
# sinval-fiber, which plays `sinval run --carrier fiber`: the command once more, its core and workloads
# as the explorer's (ci/explore.cmake), with fault points, and the explorer's machine to carry them.
#
# As usual are compiled the supervisor and its judges; and what no fiber can do: SQLite's source, and
# postmasters.

if(NOT TARGET cli_objects)
    return()
endif()

set(fiber_sources ${traced_sources} ${workload_sources})
list(REMOVE_ITEM fiber_sources ${PROJECT_SOURCE_DIR}/faults/carriers.c)
add_library(fiber_objects OBJECT ${fiber_sources})
get_target_property(traced_compile_options traced_objects COMPILE_OPTIONS)
target_compile_options(fiber_objects PRIVATE ${traced_compile_options})
target_link_libraries(fiber_objects PRIVATE checked_options)

set(fiber_object ${PROJECT_BINARY_DIR}/fiber.o)
add_custom_command(OUTPUT ${fiber_object} VERBATIM COMMAND_EXPAND_LISTS
    COMMAND ${CMAKE_LINKER} -r -o ${fiber_object} $<TARGET_OBJECTS:fiber_objects>
    COMMAND ${SV_OBJCOPY} ${traced_redirections} --redefine-sym sched_yield=explore_yield
        ${fiber_object}
    DEPENDS fiber_objects $<TARGET_OBJECTS:fiber_objects>)

# Of the explorer what the machine needs: the linker knows.
set(machine_sources ${explore_sources})
list(FILTER machine_sources EXCLUDE REGEX "/main\\.c$")
add_library(sinval_machine STATIC ${machine_sources} faults/os_fiber.c)
target_compile_options(sinval_machine PRIVATE -fno-omit-frame-pointer)
target_link_libraries(sinval_machine PRIVATE checked_options)

add_executable(sinval_fiber faults/carrier_fiber.c ${storm_source}
    src/sync/postmaster.c src/cache/sqlite.c src/cache/sqlite_open.c
    $<TARGET_OBJECTS:cli_objects> $<TARGET_OBJECTS:faults_objects> ${fiber_object})
target_link_libraries(sinval_fiber PRIVATE sinval_machine)
target_link_libraries(sinval_fiber PRIVATE checked_options PkgConfig::EDIT)
set_target_properties(sinval_fiber PROPERTIES
    OUTPUT_NAME sinval-fiber
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/libexec/sinval)
