# Targets of hone's areas, tests, applications, benchmarks and examples. What has no sources yet is left out.

# hone_area(<name> [FOLDER <folder under src/>] [EXCLUDE <subfolder>...] [DEPS <area>...] [LIBS <PUBLIC|PRIVATE> <target>...])
# Makes the library hone_<name> (alias hone::<name>) of src/<folder>/**.cpp and hone_<name>_tests of tests/<folder>/*_test.cpp.
function(hone_area name)
  cmake_parse_arguments(AREA "" "FOLDER" "EXCLUDE;DEPS;LIBS" ${ARGN})
  if(NOT AREA_FOLDER)
    set(AREA_FOLDER ${name})
  endif()
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/${AREA_FOLDER}/*.cpp")
  foreach(subfolder IN LISTS AREA_EXCLUDE)
    list(FILTER sources EXCLUDE REGEX "/src/${AREA_FOLDER}/${subfolder}/")
  endforeach()

  list(TRANSFORM AREA_DEPS PREPEND hone::)
  if(sources)
    add_library(hone_${name} STATIC ${sources})
    target_include_directories(hone_${name} PRIVATE "${PROJECT_SOURCE_DIR}/src")
    target_link_libraries(hone_${name} PRIVATE hone_warnings)
    hone_compile_together(hone_${name})
    set(visibility PUBLIC)
    set(libraries ${AREA_LIBS})
  else()
    add_library(hone_${name} INTERFACE)
    set(visibility INTERFACE)
    set(libraries ${AREA_LIBS})
    list(TRANSFORM libraries REPLACE "^(PUBLIC|PRIVATE)$" INTERFACE)
  endif()
  add_library(hone::${name} ALIAS hone_${name})
  target_include_directories(hone_${name} ${visibility} "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>"
                             "$<BUILD_INTERFACE:${PROJECT_BINARY_DIR}/include>"
                             "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>")
  target_link_libraries(hone_${name} ${visibility} ${AREA_DEPS} ${libraries})
  target_compile_features(hone_${name} ${visibility} cxx_std_20)

  set_target_properties(hone_${name} PROPERTIES EXPORT_NAME ${name})
  install(TARGETS hone_${name} EXPORT hone ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")

  # The local engine's unit tests live in their own folder below those of the area.
  string(REPLACE "/" "_" test_name ${AREA_FOLDER})
  hone_tests(${test_name} FOLDER ${AREA_FOLDER} LIBS hone::${name} ${AREA_LIBS})
endfunction()

# Everything that CTest runs, with and without the examples. Benchmarks are built by whoever asks for one.
add_custom_target(hone_all_tests)
add_custom_target(hone_unit_tests)
add_dependencies(hone_all_tests hone_unit_tests)
cmake_host_system_information(RESULT HONE_PROCESSORS QUERY NUMBER_OF_LOGICAL_CORES)

# hone_tests(<name> FOLDER <folder under tests/> LIBS <target>...)
function(hone_tests name)
  cmake_parse_arguments(TESTS "" "FOLDER" "LIBS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/${TESTS_FOLDER}/*_test.cpp")
  if(NOT sources OR NOT BUILD_TESTING)
    return()
  endif()
  list(REMOVE_ITEM TESTS_LIBS PUBLIC PRIVATE)
  add_executable(hone_${name}_tests ${sources})
  target_include_directories(hone_${name}_tests PRIVATE "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}/tests")
  target_compile_definitions(hone_${name}_tests PRIVATE HONE_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  hone_compile_together(hone_${name}_tests)
  # They wait for what they test, not for themselves; but for scripted models, for a matcher of grammars, and where a
  # sanitizer watches each step.
  set(level -O0 -g0)
  if(HONE_SANITIZE OR name MATCHES "^(optimize|adapter)$")
    set(level -O1)
  endif()
  target_compile_options(hone_${name}_tests PRIVATE ${level})
  target_link_libraries(hone_${name}_tests PRIVATE ${TESTS_LIBS} hone_third::json hone_warnings
                        GTest::gtest_main GTest::gmock)
  # Only tests that use the testing tools wait for them, and so for every area, to be built.
  file(GLOB helpers CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/${TESTS_FOLDER}/*.hpp")
  foreach(source IN LISTS sources helpers)
    file(STRINGS "${source}" uses_testing REGEX "^#include \"hone/testing/")
    if(uses_testing)
      target_link_libraries(hone_${name}_tests PRIVATE hone::testing)
      break()
    endif()
  endforeach()
  add_dependencies(hone_unit_tests hone_${name}_tests)
  set(where WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}" DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60)
  # The label of a test comes from its suite's name: Model needs a model file, Slow is for what takes long.
  gtest_discover_tests(hone_${name}_tests ${where} TEST_FILTER "-*Model*.*:*Slow*.*" PROPERTIES TIMEOUT 120)
  # A model computes with every processor; whoever works beside it costs it more than the time of one.
  gtest_discover_tests(hone_${name}_tests ${where} TEST_FILTER "*Model*.*" TEST_LIST hone_${name}_model_tests
                       PROPERTIES LABELS model TIMEOUT 600 RESOURCE_LOCK model PROCESSORS ${HONE_PROCESSORS})
  gtest_discover_tests(hone_${name}_tests ${where} TEST_FILTER "*Slow*.*-*Model*.*"
                       TEST_LIST hone_${name}_slow_tests PROPERTIES LABELS slow TIMEOUT 900)
endfunction()

# hone_application(<name> DEPS <area>... LIBS <target>...): the executable <build>/bin/<name> of apps/<name>/**.cpp.
# All but its main.cpp also make the library hone_app_<name>, so that tests/apps can call it in process.
function(hone_application name)
  cmake_parse_arguments(APP "" "" "DEPS;LIBS" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/apps/${name}/*.cpp")
  if(NOT sources)
    return()
  endif()
  list(TRANSFORM APP_DEPS PREPEND hone::)
  set(main "${PROJECT_SOURCE_DIR}/apps/${name}/main.cpp")
  list(REMOVE_ITEM sources "${main}")
  set(library)
  if(sources)
    add_library(hone_app_${name} STATIC ${sources})
    target_include_directories(hone_app_${name} PUBLIC "${PROJECT_SOURCE_DIR}/apps")
    target_link_libraries(hone_app_${name} PUBLIC ${APP_DEPS} ${APP_LIBS} PRIVATE hone_warnings)
    hone_compile_together(hone_app_${name})
    target_compile_options(hone_app_${name} PRIVATE -O1) # reads flags and writes reports
    set(library hone_app_${name})
  endif()
  if(EXISTS "${main}")
    add_executable(${name} "${main}")
    target_include_directories(${name} PRIVATE "${PROJECT_SOURCE_DIR}/apps")
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")
    target_link_libraries(${name} PRIVATE ${library} ${APP_DEPS} ${APP_LIBS} hone_warnings)
    add_dependencies(hone_all_tests ${name})
  endif()
  hone_tests(apps FOLDER apps LIBS ${library} ${APP_DEPS})
  if(TARGET hone_apps_tests AND EXISTS "${main}")
    add_dependencies(hone_apps_tests ${name})
    target_compile_definitions(hone_apps_tests PRIVATE HONE_COMMAND="$<TARGET_FILE:${name}>")
  endif()
endfunction()

# One executable <build>/bin/bench_<file> for each bench/<file>.cpp.
function(hone_benchmarks)
  file(GLOB sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/bench/*.cpp")
  foreach(source IN LISTS sources)
    get_filename_component(name "${source}" NAME_WE)
    add_executable(bench_${name} "${source}")
    set_target_properties(bench_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")
    set(libraries hone::typed hone::lm_local hone::testing hone_third::json benchmark::benchmark)
    if(name STREQUAL "llama_memory") # it measures llama.cpp by itself
      set(libraries hone_third::llama)
    endif()
    target_link_libraries(bench_${name} PRIVATE ${libraries} hone_warnings)
  endforeach()
endfunction()

# One executable <build>/bin/example_<file> for each examples/<file>.cpp; each runs as a test unless its folder says how.
function(hone_examples)
  file(GLOB sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/examples/*.cpp")
  foreach(source IN LISTS sources)
    get_filename_component(name "${source}" NAME_WE)
    add_executable(example_${name} "${source}")
    set_target_properties(example_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")
    target_link_libraries(example_${name} PRIVATE hone::typed hone::lm_local hone::testing hone_warnings)
    add_dependencies(hone_all_tests example_${name})
  endforeach()
  if(EXISTS "${PROJECT_SOURCE_DIR}/examples/tests.cmake")
    include("${PROJECT_SOURCE_DIR}/examples/tests.cmake")
  endif()
endfunction()

# Checks that need no compiler.
function(hone_checks)
  find_package(Python3 COMPONENTS Interpreter QUIET)
  if(BUILD_TESTING AND Python3_FOUND)
    add_test(NAME include_arrows COMMAND Python3::Interpreter "${PROJECT_SOURCE_DIR}/cmake/check_includes.py"
             WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}")
  endif()
endfunction()
