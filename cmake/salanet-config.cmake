# find_package(salanet): salanet::salanet is the shared library, salanet::salanet_static the other.
include(CMakeFindDependencyMacro)
find_dependency(Threads)
include("${CMAKE_CURRENT_LIST_DIR}/salanet-targets.cmake")
