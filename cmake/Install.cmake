# What `cmake --install` puts into a prefix: headers, one library an area (hone::program, hone::testing …), the pinned
# third-party libraries, the command, and the package that find_package(hone) reads.
include(CMakePackageConfigHelpers)

install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/hone" "${PROJECT_BINARY_DIR}/include/hone"
        DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" FILES_MATCHING PATTERN "*.hpp")
if(TARGET hone)
  install(TARGETS hone RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
endif()
set(package "${CMAKE_INSTALL_LIBDIR}/cmake/hone")

# What most programs need: the library with its typed front end and local models.
add_library(hone_all INTERFACE)
add_library(hone::hone ALIAS hone_all)
target_link_libraries(hone_all INTERFACE hone::typed hone::lm_local)
set_target_properties(hone_all PROPERTIES EXPORT_NAME hone)
install(TARGETS hone_all EXPORT hone)

install(EXPORT hone NAMESPACE hone:: FILE hone-targets.cmake DESTINATION "${package}")
configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/hone-config.cmake.in" "${PROJECT_BINARY_DIR}/hone-config.cmake"
                              INSTALL_DESTINATION "${package}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/hone-config-version.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/hone-config.cmake" "${PROJECT_BINARY_DIR}/hone-config-version.cmake"
        DESTINATION "${package}")

# A project of somebody else's, built on an installed hone.
if(BUILD_TESTING)
  add_test(NAME InstallSlow.AConsumerBuildsAndRuns
           COMMAND "${CMAKE_COMMAND}" "-DBUILD=${PROJECT_BINARY_DIR}" "-DSOURCE=${PROJECT_SOURCE_DIR}/tests/install"
                   "-DGENERATOR=${CMAKE_GENERATOR}" "-DCOMPILER=${CMAKE_CXX_COMPILER}" "-DFLAGS=${HONE_SANITIZE}"
                   -P "${PROJECT_SOURCE_DIR}/tests/install/consume.cmake")
  set_tests_properties(InstallSlow.AConsumerBuildsAndRuns PROPERTIES LABELS slow TIMEOUT 600)
endif()
