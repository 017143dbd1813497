# Every example is a test: it says by its exit status whether it did what it shows. Those that open a model are marked so,
# and run where their data is found by a relative path; what they write goes into the build.
file(GLOB example_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/examples/*.cpp")
foreach(source IN LISTS example_sources)
  get_filename_component(name "${source}" NAME_WE)
  add_test(NAME example_${name} COMMAND example_${name})
  set_tests_properties(example_${name} PROPERTIES TIMEOUT 60)
endforeach()
file(MAKE_DIRECTORY "${PROJECT_BINARY_DIR}/examples_run")
file(CREATE_LINK "${PROJECT_SOURCE_DIR}/examples" "${PROJECT_BINARY_DIR}/examples_run/examples" SYMBOLIC)
set_tests_properties(example_tickets PROPERTIES LABELS model TIMEOUT 600 RESOURCE_LOCK model PROCESSORS ${HONE_PROCESSORS}
                     SKIP_REGULAR_EXPRESSION "hone models pull" WORKING_DIRECTORY "${PROJECT_BINARY_DIR}/examples_run")
