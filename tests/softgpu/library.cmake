# softgpu_library(name SOURCES a.cu ... [EXTRA b.cpp ...] [INCLUDES ...] [DEFINITIONS ...])
#
# A shared library of CUDA sources that runs on the software GPU. Each .cu goes through
#   nvcc, once         -> the host object, and the PTX of one architecture
#   the translator     -> C++ of the kernels
#   g++                -> an object that registers them
# A file is for sm_80, unless its name ends in _sm90a.cu. Flags that decide about results are those
# of cmake/cuda.cmake.
set(softgpu_nvcc_flags -std=c++20 -lineinfo --fmad=false -O2
  -Xcompiler=-fPIC,-fvisibility=hidden,-Wall,-Wextra)
# Kernels of thousands of lines: without the passes that take a third of the time for little.
set(softgpu_kernel_flags -std=c++20 -O1 -fPIC -w -ffp-contract=off -fno-strict-aliasing
  -fno-math-errno -fno-exceptions -fno-ipa-modref -fno-tree-dse)

include(${halfword_root}/cmake/memory_pool.cmake)
halfword_memory_pool(softgpu_nvcc)

file(GLOB_RECURSE softgpu_translator CONFIGURE_DEPENDS ${softgpu_root}/translator/*.py)

# The commands for one .cu; sets `objects` in the caller to the host's and the kernels' object.
function(softgpu_compile name source options)
  get_filename_component(source ${source} ABSOLUTE)
  get_filename_component(stem ${source} NAME_WE)
  set(folder ${CMAKE_BINARY_DIR}/${name}.dir)
  set(arch compute_80)
  if(stem MATCHES "_sm90a$")
    set(arch compute_90a)
  endif()
  set(base ${folder}/${stem})
  file(MAKE_DIRECTORY ${base}.keep)
  add_custom_command(
    OUTPUT ${base}.host.o ${base}.keep/${stem}.ptx
    COMMAND ${SOFTGPU_NVCC} -c ${softgpu_nvcc_flags} -gencode arch=${arch},code=${arch}
      ${options} -keep -keep-dir ${base}.keep -MD -MF ${base}.host.d -MT ${base}.host.o
      -o ${base}.host.o ${source}
    COMMAND ${CMAKE_COMMAND} -E touch ${base}.keep/${stem}.ptx
    DEPENDS ${source}
    DEPFILE ${base}.host.d
    JOB_POOL softgpu_nvcc
    COMMENT "nvcc ${stem}.cu" VERBATIM)
  add_custom_command(
    OUTPUT ${base}.kernels.cpp
    COMMAND ${SOFTGPU_PYTHON} -m tests.softgpu.translator ${base}.keep/${stem}.ptx
      ${base}.kernels.cpp
    DEPENDS ${base}.keep/${stem}.ptx ${softgpu_translator}
    WORKING_DIRECTORY ${halfword_root}
    COMMENT "translate ${stem}.ptx" VERBATIM)
  add_custom_command(
    OUTPUT ${base}.kernels.o
    COMMAND ${CMAKE_CXX_COMPILER} ${softgpu_kernel_flags} -I${softgpu_root}
      -MD -MF ${base}.kernels.d -MT ${base}.kernels.o -c ${base}.kernels.cpp -o ${base}.kernels.o
    DEPENDS ${base}.kernels.cpp
    DEPFILE ${base}.kernels.d
    COMMENT "g++ ${stem}.kernels.cpp" VERBATIM)
  set(objects ${base}.host.o ${base}.kernels.o PARENT_SCOPE)
endfunction()

function(softgpu_library name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;EXTRA;INCLUDES;DEFINITIONS")
  if(NOT arg_SOURCES)
    return()
  endif()
  set(options -I${softgpu_root})
  foreach(directory ${arg_INCLUDES})
    list(APPEND options -I${directory})
  endforeach()
  foreach(definition ${arg_DEFINITIONS})
    list(APPEND options -D${definition})
  endforeach()
  # In this order, and no other: a module of kernels belongs to the host object that was registered
  # just before it (cudart/registration.cpp).
  set(all_objects "")
  foreach(source ${arg_SOURCES})
    softgpu_compile(${name} ${source} "${options}")
    list(APPEND all_objects ${objects})
  endforeach()
  add_library(${name} SHARED ${all_objects} ${arg_EXTRA})
  set_source_files_properties(${all_objects} PROPERTIES EXTERNAL_OBJECT TRUE GENERATED TRUE)
  set_target_properties(${name} PROPERTIES LINKER_LANGUAGE CXX
    CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON
    LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR} BUILD_RPATH "$ORIGIN")
  target_include_directories(${name} PRIVATE ${arg_INCLUDES})
  target_compile_definitions(${name} PRIVATE ${arg_DEFINITIONS})
  target_compile_options(${name} PRIVATE
    -Wall -Wextra -Wno-psabi -ffp-contract=off -fno-strict-aliasing -fno-math-errno)
  target_link_libraries(${name} PRIVATE softgpu)
endfunction()

# Sources that a Python program writes: `python <generator> <folder>` puts *.cu there. Runs while
# CMake does, and again when the program changes. Sets `variable` to the files.
function(softgpu_generated variable generator)
  set(${variable} "" PARENT_SCOPE)
  get_filename_component(generator ${generator} ABSOLUTE)
  if(NOT EXISTS ${generator})
    return()
  endif()
  get_filename_component(folder ${generator} DIRECTORY)
  file(GLOB programs CONFIGURE_DEPENDS ${folder}/*.py)  # it may import its neighbours
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${programs})
  get_filename_component(stem ${generator} NAME_WE)
  set(folder ${CMAKE_BINARY_DIR}/${stem})
  file(MAKE_DIRECTORY ${folder})
  file(RELATIVE_PATH module ${halfword_root} ${generator})
  string(REGEX REPLACE "\\.py$" "" module ${module})
  string(REPLACE "/" "." module ${module})
  execute_process(COMMAND ${SOFTGPU_PYTHON} -m ${module} ${folder}
    WORKING_DIRECTORY ${halfword_root} COMMAND_ERROR_IS_FATAL ANY)
  file(GLOB files ${folder}/*.cu)
  set(${variable} ${files} PARENT_SCOPE)
endfunction()
