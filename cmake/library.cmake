# The C library: shared and static, a header, find_package(salanet).
#   cmake -B build/library -DSALANET_PYTHON=OFF -DSALANET_LIBRARY=ON
#   cmake --build build/library && cmake --install build/library --prefix WHERE
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

file(STRINGS "${CMAKE_SOURCE_DIR}/pyproject.toml" SALANET_VERSION REGEX "^version = ")
string(REGEX REPLACE "^version = \"(.*)\"$" "\\1" SALANET_VERSION "${SALANET_VERSION}")

function(salanet_library target kind)
  add_library(${target} ${kind} csrc/library/salanet.cpp csrc/library/cells.cpp
              csrc/library/tiles.cpp csrc/library/terrain.cpp csrc/library/low_noise.cpp
              csrc/library/raster.cpp csrc/library/bare_earth.cpp)
  salanet_core_objects(${target})
  add_library(salanet::${target} ALIAS ${target})
  target_include_directories(${target} PRIVATE csrc PUBLIC
    $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_compile_definitions(${target} PRIVATE SALANET_OWN_THREADS SALANET_BUILDING
                                               SALANET_VERSION="${SALANET_VERSION}")
  target_link_libraries(${target} PRIVATE Threads::Threads)
  set_target_properties(${target} PROPERTIES PUBLIC_HEADER include/salanet.h)
endfunction()

salanet_library(salanet SHARED)
salanet_library(salanet_static STATIC)
set_target_properties(salanet PROPERTIES VERSION ${SALANET_VERSION} SOVERSION 0)
if(NOT WIN32)
  set_target_properties(salanet_static PROPERTIES OUTPUT_NAME salanet)
endif()
target_compile_definitions(salanet INTERFACE SALANET_SHARED PRIVATE SALANET_SHARED)
if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
  # Nothing but the interface is visible; worker threads outlive a dlclose, so the code must too.
  target_link_options(salanet PRIVATE -Wl,-z,nodelete -Wl,--gc-sections
    "-Wl,--version-script=${CMAKE_SOURCE_DIR}/cmake/exports.map")
endif()

if(SALANET_SANITIZE)  # see csrc/sanitize_library.sh
  add_executable(two_threads tests/engine/two_threads.cpp)
  target_include_directories(two_threads PRIVATE examples/c)
  target_link_libraries(two_threads PRIVATE salanet_static Threads::Threads)
endif()

install(TARGETS salanet salanet_static EXPORT salanet
        PUBLIC_HEADER DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
set(SALANET_CONFIG ${CMAKE_INSTALL_LIBDIR}/cmake/salanet)
install(EXPORT salanet FILE salanet-targets.cmake NAMESPACE salanet:: DESTINATION ${SALANET_CONFIG})
write_basic_package_version_file("${CMAKE_CURRENT_BINARY_DIR}/salanet-config-version.cmake"
                                 VERSION ${SALANET_VERSION} COMPATIBILITY SameMinorVersion)
install(FILES cmake/salanet-config.cmake
              "${CMAKE_CURRENT_BINARY_DIR}/salanet-config-version.cmake"
        DESTINATION ${SALANET_CONFIG})
