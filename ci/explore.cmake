# SPDX-FileCopyrightText: the sinval authors
# SPDX-License-Identifier: MIT
#
# The explorer, sinval-explore: the core's own sources compiled with -fsanitize=thread, and linked
# without it, with the runtime of faults/explore in place of the sanitizer's and faults/os_fiber.c in
# place of the operating system. The explorer's own code, and its judges, are compiled as usual.
#
# Left out of the core: assertions (an oracle of the explorer's), SQLite, and the postmaster, whose
# children are processes.

find_program(SV_OBJCOPY NAMES objcopy llvm-objcopy REQUIRED)

set(traced_sources ${library_sources})
list(FILTER traced_sources EXCLUDE REGEX "/(os_linux|assert|sqlite|sqlite_open|postmaster)\\.c$")
add_library(traced_objects OBJECT ${traced_sources})
sv_include(traced_objects)
target_compile_options(traced_objects PRIVATE -DSV_ANNOTATE_EXPLORER -O2 -g -fsanitize=thread -fno-omit-frame-pointer)
target_compile_options(traced_objects PRIVATE # else a copy may be expanded where nothing announces it
    -fno-builtin-memcpy -fno-builtin-memmove -fno-builtin-memset -fno-builtin-memcmp)
target_compile_options(traced_objects PRIVATE # entries and exits of functions: nothing needs them
    $<$<C_COMPILER_ID:GNU>:--param=tsan-instrument-func-entry-exit=0>
    $<$<C_COMPILER_ID:Clang>:SHELL:-mllvm -tsan-instrument-func-entry-exit=0>)
target_link_libraries(traced_objects PRIVATE sv_options)

# All of it as one object, in which calls of the C library that touch memory go to the runtime.
set(traced_object ${PROJECT_BINARY_DIR}/traced.o)
set(traced_redirections)
foreach(name IN ITEMS memcpy memmove memset memcmp bcmp malloc calloc realloc free)
    list(APPEND traced_redirections --redefine-sym ${name}=explore_${name})
endforeach()
add_custom_command(OUTPUT ${traced_object} VERBATIM COMMAND_EXPAND_LISTS
    COMMAND ${CMAKE_LINKER} -r -o ${traced_object} $<TARGET_OBJECTS:traced_objects>
    COMMAND ${SV_OBJCOPY} ${traced_redirections} ${traced_object}
    DEPENDS traced_objects $<TARGET_OBJECTS:traced_objects>)

file(GLOB explore_sources CONFIGURE_DEPENDS faults/explore/*.c)
list(FILTER explore_sources EXCLUDE REGEX "/worlds\\.c$")
add_library(explore_objects OBJECT ${explore_sources} faults/os_fiber.c faults/oracle.c)
target_include_directories(explore_objects PUBLIC include src .)
target_compile_options(explore_objects PUBLIC -fno-omit-frame-pointer)
set_source_files_properties(faults/explore/runtime_quick.c PROPERTIES
    COMPILE_OPTIONS "-fomit-frame-pointer$<$<C_COMPILER_ID:GNU>:;-fno-split-wide-types>")
target_link_libraries(explore_objects PUBLIC sv_options PkgConfig::JANSSON m)

# sv_add_explorer(TARGET NAME DIRECTORY SOURCE): with the worlds that are listed in SOURCE.
function(sv_add_explorer target name directory source)
    add_executable(${target} ${source} ${traced_object})
    target_link_libraries(${target} PRIVATE explore_objects)
    set_target_properties(${target} PROPERTIES
        OUTPUT_NAME ${name} RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/${directory})
endfunction()
sv_add_explorer(sinval_explore sinval-explore libexec/sinval faults/explore/worlds.c)
foreach(name IN ITEMS planted wrong moody red ends) # for tests
    sv_add_explorer(explore_${name} explore-${name} tests tests/explore/worlds_${name}.c)
endforeach()
configure_file(faults/explore/sinval-explore-gdb.py
    ${CMAKE_BINARY_DIR}/libexec/sinval/sinval-explore-gdb.py COPYONLY)
