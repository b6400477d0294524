# SPDX-FileCopyrightText: the sinval authors
# SPDX-License-Identifier: MIT
#
# What `cmake --install` and cpack carry: headers, both libraries, the CMake package, the pkg-config
# file, the command with its plans and seeds, and the programs that it becomes.

include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/sinval)

install(TARGETS sinval_shared sinval_static EXPORT sinval)
install(DIRECTORY include/sinval DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT sinval NAMESPACE sinval:: FILE sinval-targets.cmake DESTINATION ${package_dir})

configure_package_config_file(ci/sinval-config.cmake.in ${PROJECT_BINARY_DIR}/sinval-config.cmake
    INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/sinval-config-version.cmake
    COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/sinval-config.cmake
              ${PROJECT_BINARY_DIR}/sinval-config-version.cmake
        DESTINATION ${package_dir})

# The prefix as seen from the file itself, so that an installed tree can be moved.
file(RELATIVE_PATH SV_PREFIX_FROM_PC /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(ci/sinval.pc.in ${PROJECT_BINARY_DIR}/sinval.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/sinval.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

if(TARGET sinval_cli)
    install(TARGETS sinval_cli)
    install(TARGETS sinval_storm DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/sinval)
    install(DIRECTORY faults/plans faults/seeds DESTINATION ${CMAKE_INSTALL_DATADIR}/sinval)
endif()
if(TARGET sinval_bench)
    install(TARGETS sinval_bench DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/sinval)
endif()
if(TARGET sinval_explore)
    install(TARGETS sinval_explore DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/sinval)
    install(FILES faults/explore/sinval-explore-gdb.py
        DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/sinval)
endif()
if(TARGET sinval_fiber)
    install(TARGETS sinval_fiber DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/sinval)
endif()
if(TARGET sinval_sweep)
    install(TARGETS sinval_sweep DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/sinval)
endif()
install(FILES README.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

set(CPACK_GENERATOR DEB TGZ)
set(CPACK_PACKAGE_NAME sinval)
set(CPACK_PACKAGE_VENDOR "the sinval authors")
set(CPACK_PACKAGE_CONTACT "the sinval authors <sinval@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_RESOURCE_FILE_LICENSE ${PROJECT_SOURCE_DIR}/LICENSE)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
include(CPack)
