# How llama.cpp's own library is compiled, read by its build as CMAKE_PROJECT_llama.cpp_INCLUDE (cmake/deps.sh). Nearly all
# computing is done by ggml's kernels, which stay as they are. libllama reads files and builds graphs, and at -O3, each of
# its files by itself, it took most of the time. What loops over tokens keeps -O2.
function(hone_tune_llama)
  file(GLOB sources "${PROJECT_SOURCE_DIR}/src/*.cpp")
  target_compile_options(llama PRIVATE -O1)
  set_target_properties(llama PROPERTIES UNITY_BUILD_BATCH_SIZE 24)
  set_source_files_properties(${sources} TARGET_DIRECTORY llama PROPERTIES SKIP_UNITY_BUILD_INCLUSION OFF)
  foreach(name vocab grammar kv-cache)
    list(APPEND tokens "${PROJECT_SOURCE_DIR}/src/llama-${name}.cpp")
  endforeach()
  set_source_files_properties(${tokens} "${PROJECT_SOURCE_DIR}/src/unicode.cpp" TARGET_DIRECTORY llama
                              PROPERTIES COMPILE_OPTIONS -O2 SKIP_UNITY_BUILD_INCLUSION ON)
  # It has a function of the name of another file's.
  set_source_files_properties("${PROJECT_SOURCE_DIR}/src/llama-kv-cache-dsv4.cpp" TARGET_DIRECTORY llama
                              PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
  # Of ggml: reading files, and graphs over several devices.
  foreach(name gguf ggml-backend-meta ggml-opt ggml-backend-reg ggml-backend-dl)
    foreach(target ggml-base ggml)
      set_source_files_properties("${PROJECT_SOURCE_DIR}/ggml/src/${name}.cpp" TARGET_DIRECTORY ${target}
                                  PROPERTIES COMPILE_OPTIONS -O1)
    endforeach()
  endforeach()
  # GCC before 14 thinks that loading a tile configuration reads eight of its bytes, and leaves out the stores of the others.
  set_source_files_properties("${PROJECT_SOURCE_DIR}/ggml/src/ggml-cpu/amx/mmq.cpp" TARGET_DIRECTORY ggml-cpu
                              PROPERTIES COMPILE_OPTIONS "-include;${CMAKE_CURRENT_FUNCTION_LIST_DIR}/tile_config.hpp")
endfunction()
cmake_language(DEFER CALL hone_tune_llama)
