# The CUDA part, libhalfword_cuda.so: built where nvcc is found, unless told otherwise. The runtime
# is linked statically and the architectures are listed here, so that what comes out depends on no
# device, no driver and no other CUDA installation.
set(halfword_cuda_version "")
set(halfword_cuda_archs "")
set(halfword_cuda_summary "no CUDA part (HALFWORD_CUDA=OFF)")
set(halfword_cuda_oldest 12.1)  # sm_90a, and 32 KiB of kernel arguments

if(NOT HALFWORD_CUDA MATCHES "^(AUTO|ON|OFF)$")
  message(FATAL_ERROR "halfword: HALFWORD_CUDA must be AUTO, ON or OFF; got '${HALFWORD_CUDA}'")
endif()
if(HALFWORD_CUDA STREQUAL "OFF")
  return()
endif()

set(CMAKE_CUDA_ARCHITECTURES ${HALFWORD_CUDA_ARCHS})
set(CMAKE_CUDA_RUNTIME_LIBRARY Static)
set(CMAKE_CUDA_VISIBILITY_PRESET hidden)

if(DEFINED CACHE{CMAKE_CUDA_COMPILER} AND NOT CMAKE_CUDA_COMPILER)
  unset(CMAKE_CUDA_COMPILER CACHE)  # looked for before: it may have come since
endif()
include(CheckLanguage)
check_language(CUDA)
set(halfword_cuda_problem "")
if(NOT CMAKE_CUDA_COMPILER)
  set(halfword_cuda_problem "found no nvcc")
else()
  execute_process(COMMAND ${CMAKE_CUDA_COMPILER} --version OUTPUT_VARIABLE halfword_nvcc)
  if(halfword_nvcc MATCHES "release ([0-9]+\\.[0-9]+)"
      AND CMAKE_MATCH_1 VERSION_LESS halfword_cuda_oldest)
    set(halfword_cuda_problem "nvcc must be ${halfword_cuda_oldest} or newer; got ${CMAKE_MATCH_1}")
  endif()
endif()
if(halfword_cuda_problem)
  if(HALFWORD_CUDA STREQUAL "ON")
    message(FATAL_ERROR "halfword: HALFWORD_CUDA=ON, but ${halfword_cuda_problem}. Put a newer "
      "nvcc on PATH, or name it in CUDACXX, or build without CUDA: HALFWORD_CUDA=OFF")
  endif()
  set(halfword_cuda_summary "no CUDA part (${halfword_cuda_problem})")
  return()
endif()

enable_language(CUDA)
if(NOT "cuda_std_20" IN_LIST CMAKE_CUDA_COMPILE_FEATURES)  # CMake 3.25.1, Debian 12's
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
  set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION -std=c++20)
endif()
string(REGEX MATCH "^[0-9]+\\.[0-9]+" halfword_cuda_version "${CMAKE_CUDA_COMPILER_VERSION}")
list(TRANSFORM CMAKE_CUDA_ARCHITECTURES REPLACE "(.+)-real" "sm_\\1"
  OUTPUT_VARIABLE halfword_cuda_archs)
list(TRANSFORM halfword_cuda_archs REPLACE "(.+)-virtual" "compute_\\1")
list(JOIN halfword_cuda_archs ", " halfword_cuda_archs)
set(halfword_cuda_summary "CUDA ${halfword_cuda_version} part for ${halfword_cuda_archs}")

# The kernels.
file(GLOB halfword_cuda_sources CONFIGURE_DEPENDS csrc/cuda/*.cu)
add_library(halfword_cuda_kernels OBJECT ${halfword_cuda_sources})
target_include_directories(halfword_cuda_kernels PRIVATE csrc)
set_property(TARGET halfword_cuda_kernels PROPERTY CUDA_STANDARD 20)
include(cmake/memory_pool.cmake)
halfword_memory_pool(halfword_nvcc)
set_property(TARGET halfword_cuda_kernels PROPERTY JOB_POOL_COMPILE halfword_nvcc)
# IEEE arithmetic in the written order, as on the CPU.
target_compile_options(halfword_cuda_kernels PRIVATE
  --fmad=false -Xcompiler=-Wall,-Wextra,-ffile-prefix-map=${CMAKE_SOURCE_DIR}=.)

# The kernels and their registration with torch. Hidden: the static runtime's symbols too.
file(GLOB halfword_cuda_bindings CONFIGURE_DEPENDS csrc/binding/cuda_*.cpp)
add_library(halfword_cuda SHARED $<TARGET_OBJECTS:halfword_cuda_kernels> ${halfword_op_bindings}
  ${halfword_cuda_bindings} csrc/binding/device_cuda.cpp csrc/binding/table_cache.cpp
  csrc/core/layout.cpp)
target_include_directories(halfword_cuda PRIVATE csrc)
target_link_libraries(halfword_cuda PRIVATE halfword_warnings halfword_torch_stub)
target_link_options(halfword_cuda PRIVATE -Wl,--exclude-libs,ALL)
set_target_properties(halfword_cuda PROPERTIES LINKER_LANGUAGE CUDA
  INSTALL_RPATH "$ORIGIN" BUILD_RPATH "$ORIGIN" BUILD_WITH_INSTALL_RPATH ON)
install(TARGETS halfword_cuda LIBRARY DESTINATION . COMPONENT python)
