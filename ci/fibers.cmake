# SPDX-FileCopyrightText: the sinval authors
# SPDX-License-Identifier: MIT
#
# On fibers of a simulated machine: every plan that can be, one ctest entry a plan, `fibers.<plan>`; the
# suites of threads as they are, one entry a suite; and that all of what is traced there is.

if(TARGET sinval_fiber AND SV_CHECK STREQUAL "")
    sv_add_script_test(NAME fibers.traced LABEL sched
        COMMAND sh ${PROJECT_SOURCE_DIR}/ci/traced ${fiber_object})
    file(GLOB plans CONFIGURE_DEPENDS faults/plans/*.yaml)
    foreach(plan IN LISTS plans)
        get_filename_component(name ${plan} NAME_WE)
        # What only processes can do, and more backends than fit: see faults/carrier_fiber.c.
        if(name MATCHES "^(creator-dies|postmaster|sqlite-kills|two-hundred-backends)$")
            continue()
        endif()
        sv_add_script_test(NAME fibers.${name} LABEL sched
            COMMAND $<TARGET_FILE:sinval_cli> run ${name} --carrier fiber --seeds 1..3 --jobs 1)
    endforeach()

    # What is renamed in the core, in which all have one memory, and besides in a suite.
    set(renamed memcpy=explore_memcpy memmove=explore_memmove memset=explore_memset
        memcmp=explore_memcmp bcmp=explore_bcmp sched_yield=explore_yield)
    set(renamed_core)
    foreach(name IN LISTS renamed)
        list(APPEND renamed_core --redefine-sym ${name})
    endforeach()
    set(renamed_suite ${renamed_core})
    foreach(name IN ITEMS segment_create segment_detach)
        list(APPEND renamed_suite --redefine-sym sv_${name}=fibers_${name})
    endforeach()
    foreach(name IN ITEMS create join exit)
        list(APPEND renamed_suite --redefine-sym pthread_${name}=fibers_thread_${name})
    endforeach()

    set(shared_object ${PROJECT_BINARY_DIR}/fiber-shared.o)
    add_custom_command(OUTPUT ${shared_object} VERBATIM COMMAND_EXPAND_LISTS
        COMMAND ${CMAKE_LINKER} -r -o ${shared_object} $<TARGET_OBJECTS:fiber_objects>
        COMMAND ${SV_OBJCOPY} ${renamed_core} ${shared_object}
        DEPENDS fiber_objects $<TARGET_OBJECTS:fiber_objects>)

    file(GLOB suites CONFIGURE_DEPENDS tests/thread_*_unit.c)
    foreach(source IN LISTS suites)
        get_filename_component(suite ${source} NAME_WE)
        set(object ${PROJECT_BINARY_DIR}/tests/fibers-${suite}.o)
        add_library(traced_${suite} OBJECT ${source})
        target_include_directories(traced_${suite} PRIVATE tests)
        target_compile_options(traced_${suite} PRIVATE ${traced_compile_options})
        target_link_libraries(traced_${suite} PRIVATE checked_options PkgConfig::CRITERION)
        add_custom_command(OUTPUT ${object} VERBATIM COMMAND_EXPAND_LISTS
            COMMAND ${SV_OBJCOPY} ${renamed_suite} $<TARGET_OBJECTS:traced_${suite}> ${object}
            DEPENDS traced_${suite} $<TARGET_OBJECTS:traced_${suite}>)
        add_executable(fibers_${suite} tests/support/fibers.c ${object} ${shared_object})
        target_link_libraries(fibers_${suite}
            PRIVATE sinval_machine sinval_checked PkgConfig::CRITERION)
        set_target_properties(fibers_${suite} PROPERTIES
            RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
        sv_add_script_test(NAME fibers.${suite} LABEL sched
            COMMAND sh ${PROJECT_SOURCE_DIR}/ci/seeds 5 $<TARGET_FILE:fibers_${suite}>)
    endforeach()
endif()
