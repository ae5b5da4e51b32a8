# A kernel file's suffix names the instruction set it is compiled for: <op>_avx2.cpp.
# A file without a suffix is compiled for the machine that every x86-64 is.
set(halfword_isa_flags_avx2 -mavx2 -mfma -mf16c)
set(halfword_isa_flags_avxvnni ${halfword_isa_flags_avx2} -mavxvnni)
set(halfword_isa_flags_avx512
  ${halfword_isa_flags_avx2} -mavx512f -mavx512bw -mavx512dq -mavx512vl)
set(halfword_isa_flags_avx512vnni ${halfword_isa_flags_avx512} -mavx512vnni)
set(halfword_isa_flags_avx512bf16 ${halfword_isa_flags_avx512vnni} -mavx512bf16)

# gcc's own intrinsics headers use _mm512_undefined_*, and gcc warns of it (GCC bug 105593).
set(halfword_isa_quiet "")
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  set(halfword_isa_quiet -Wno-uninitialized -Wno-maybe-uninitialized)
endif()

set(halfword_isas "")
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set(halfword_isas avx2 avxvnni avx512 avx512vnni avx512bf16)
endif()

function(halfword_set_isa_flags)
  foreach(source ${ARGN})
    if(source MATCHES "_(avx[0-9a-z]+)\\.cpp$")
      set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS
        "${halfword_isa_flags_${CMAKE_MATCH_1}};-fno-exceptions;-fno-lto;${halfword_isa_quiet}")
    endif()
  endforeach()
endfunction()
