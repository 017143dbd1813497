# How every target of hone is compiled. Build types come from the presets; light debug info keeps compiles and links fast.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT HONE_SANITIZE)
  set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O1 -g1")
endif()
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "How to build" FORCE)
endif()

set(HONE_SANITIZE "" CACHE STRING "Sanitizers to build with, as -fsanitize takes them")
if(HONE_SANITIZE)
  add_compile_options(-fsanitize=${HONE_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${HONE_SANITIZE})
endif()

# Paths relative to the source root make objects of different build directories the same, so that ccache shares them.
add_compile_options(-ffile-prefix-map=${PROJECT_SOURCE_DIR}/= -ffile-prefix-map=${PROJECT_BINARY_DIR}/=)

find_program(HONE_CCACHE ccache)
if(HONE_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER
      ${CMAKE_COMMAND} -E env CCACHE_NOHASHDIR=1 CCACHE_BASEDIR=${PROJECT_SOURCE_DIR}
      CCACHE_SLOPPINESS=time_macros,include_file_mtime,include_file_ctime,locale ${HONE_CCACHE})
endif()

# Most of what a compile costs is reading headers and instantiating their templates, which files compiled together share.
# Their unnamed namespaces are then one, so names in them differ over a whole area. Only names that files forgot to include
# go unseen; the sanitizers' presets, which compile every file by itself, see them.
set(HONE_UNITY 8 CACHE STRING "How many files of an area are compiled together; 0 is each by itself")
function(hone_compile_together target)
  if(HONE_UNITY GREATER 0)
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE ${HONE_UNITY})
    # GCC takes every file but the outermost for a header, and classes with members of an unnamed namespace for a mistake.
    target_compile_options(${target} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>)
  endif()
endfunction()

find_program(HONE_MOLD mold)
if(HONE_MOLD AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND NOT CMAKE_INTERPROCEDURAL_OPTIMIZATION)
  add_link_options(-fuse-ld=mold)
endif()

# What hone's own sources are held to; third-party headers come in as system headers.
add_library(hone_warnings INTERFACE)
install(TARGETS hone_warnings EXPORT hone)
target_compile_options(hone_warnings INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # Wrong alarms of GCC 12's optimizer about moved std::variant and joined std::string.
  target_compile_options(hone_warnings INTERFACE -Wno-maybe-uninitialized -Wno-restrict)
endif()
