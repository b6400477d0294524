# SPDX-FileCopyrightText: the sinval authors
# SPDX-License-Identifier: MIT
#
# Does what is built with this sanitizer start here? Sets SV_LAUNCHER, which stands before the
# command of every test: nothing, or what programs need to start.
#
# A sanitizer's shadow memory leaves fixed ranges to the program. A kernel that draws 32 bits of
# where it maps things (vm.mmap_rnd_bits; 28 on older ones) puts libraries outside of them nine
# times of ten, and the sanitizers of gcc 12 and clang 14 then end the program before main, with
# "unexpected memory mapping". `setarch -R` switches that randomness off for one command and all it
# starts; some containers forbid it.

# Tries, and how often: where one start in ten works, all of them succeed once in 10^12 times.
set(SV_LAUNCHER)
if(NOT SV_SANITIZE)
    return()
endif()

set(probe ${PROJECT_BINARY_DIR}/CMakeFiles/probe)
if(SV_PROBE) # a program in its place, to try what follows
    set(probe ${SV_PROBE})
else()
    file(WRITE ${probe}.c "int main(void) { return 0; }\n")
    try_compile(built ${PROJECT_BINARY_DIR}/CMakeFiles/probe.dir ${probe}.c
        COMPILE_DEFINITIONS -fsanitize=${SV_SANITIZE} -fPIE
        LINK_OPTIONS -fsanitize=${SV_SANITIZE} -pie
        OUTPUT_VARIABLE output COPY_FILE ${probe})
    if(NOT built)
        message(FATAL_ERROR "This compiler has no -fsanitize=${SV_SANITIZE}:\n${output}")
    endif()
endif()

# probe_starts(RESULT OUTPUT LAUNCHER...)
function(probe_starts result output)
    foreach(attempt RANGE 1 12)
        execute_process(COMMAND ${ARGN} ${probe}
            RESULT_VARIABLE status OUTPUT_VARIABLE said ERROR_VARIABLE said)
        if(NOT status EQUAL 0)
            set(${result} OFF PARENT_SCOPE)
            set(${output} "${status} ${said}" PARENT_SCOPE)
            return()
        endif()
    endforeach()
    set(${result} ON PARENT_SCOPE)
endfunction()

probe_starts(starts said)
if(starts)
    return()
endif()
find_program(SETARCH setarch)
set(without_randomness ${SETARCH} ${CMAKE_HOST_SYSTEM_PROCESSOR} -R)
probe_starts(starts said_without ${without_randomness})
if(NOT SETARCH OR NOT starts)
    message(FATAL_ERROR
        "Programs built with -fsanitize=${SV_SANITIZE} do not start here: ${said}\n"
        "With `setarch -R` neither: ${said_without}\n"
        "What helps: `sysctl vm.mmap_rnd_bits=28` as root of the machine; in a container, "
        "permission to call personality (docker run --security-opt seccomp=unconfined).")
endif()
message(WARNING
    "Programs built with -fsanitize=${SV_SANITIZE} do not always start here: ${said}\n"
    "The tests run under `setarch -R`, which helps; do the same by hand, or "
    "`sysctl vm.mmap_rnd_bits=28` as root.")
set(SV_LAUNCHER ${without_randomness})
