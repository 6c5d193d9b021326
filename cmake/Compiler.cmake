# SPDX-License-Identifier: GPL-2.0-or-later
# Compiler flags of every target, and the one function that declares a library of lib/.

add_library(rseq_flags INTERFACE)
target_compile_options(rseq_flags INTERFACE
    -Wall -Wextra -Wshadow -Wconversion -Wsign-conversion -Wformat=2 -Wundef
    $<$<COMPILE_LANGUAGE:CXX>:-Wpedantic -Wnon-virtual-dtor -Wold-style-cast>
    $<$<BOOL:${RSEQ_WERROR}>:-Werror>)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    # g++ 12 sees overlaps in std::string that are not there (GCC bug 105651).
    target_compile_options(rseq_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-restrict>)
endif()
if(RSEQ_SANITIZE)
    target_compile_options(rseq_flags INTERFACE
        -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_link_options(rseq_flags INTERFACE -fsanitize=address,undefined)
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
        # g++(1): the sanitizers bring warnings of this kind that are wrong; <regex> is full of them.
        target_compile_options(rseq_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-maybe-uninitialized>)
    endif()
endif()

# rseq_library(NAME SOURCES... [PUBLIC_LIBS ...] [PRIVATE_LIBS ...]): a static library `rseq_NAME`,
# whose headers are included as "NAME/header.h".
function(rseq_library name)
    cmake_parse_arguments(ARG "" "" "SOURCES;PUBLIC_LIBS;PRIVATE_LIBS" ${ARGN})
    add_library(rseq_${name} STATIC ${ARG_SOURCES})
    target_include_directories(rseq_${name} PUBLIC ${PROJECT_SOURCE_DIR}/lib)
    target_link_libraries(rseq_${name} PUBLIC ${ARG_PUBLIC_LIBS}
                          PRIVATE rseq_flags ${ARG_PRIVATE_LIBS})
endfunction()
