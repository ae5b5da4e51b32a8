# softgpu_cuda_include: where the nvcc in use finds cuda_runtime.h.
execute_process(
  COMMAND ${SOFTGPU_NVCC} --dryrun -c -x cu /dev/null -o /dev/null
  ERROR_VARIABLE dryrun OUTPUT_QUIET RESULT_VARIABLE status)
string(REGEX MATCHALL "-I[^\" ]+" directories "${dryrun}")
set(softgpu_cuda_include "")
foreach(directory ${directories})
  string(REGEX REPLACE "^-I" "" directory ${directory})
  if(EXISTS ${directory}/cuda_runtime.h)
    get_filename_component(softgpu_cuda_include ${directory} REALPATH)
    break()
  endif()
endforeach()
if(NOT softgpu_cuda_include)
  message(FATAL_ERROR "softgpu: ${SOFTGPU_NVCC} names no directory with cuda_runtime.h: ${dryrun}")
endif()
