# SPDX-FileCopyrightText: the sinval authors
# SPDX-License-Identifier: MIT
#
# Every plan that can be on fibers of a simulated machine, one ctest entry a plan, `fibers.<plan>`; and
# that all of what is traced there is.

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
            COMMAND $<TARGET_FILE:sinval_cli> run ${name} --carrier fiber --seeds 1..5 --jobs 1)
    endforeach()
endif()
