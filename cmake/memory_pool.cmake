# halfword_memory_pool(name): a Ninja pool with as many jobs as there are cores, but no more than
# have 2 GiB of free memory each, which nvcc's cicc can take on one file.
function(halfword_memory_pool name)
  cmake_host_system_information(RESULT mebibytes QUERY AVAILABLE_PHYSICAL_MEMORY)
  cmake_host_system_information(RESULT jobs QUERY NUMBER_OF_LOGICAL_CORES)
  math(EXPR fit "${mebibytes} / 2048")
  if(fit LESS jobs)
    set(jobs ${fit})
  endif()
  if(jobs LESS 1)
    set(jobs 1)
  endif()
  set_property(GLOBAL APPEND PROPERTY JOB_POOLS ${name}=${jobs})
endfunction()
