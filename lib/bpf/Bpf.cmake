# SPDX-License-Identifier: GPL-2.0-or-later
# rseq_bpf_skeleton(NAME HEADERS...): compiles NAME.bpf.c for the BPF machine and lets bpftool wrap
# the result in a light skeleton; a target that links NAME_skeleton can include "bpf/NAME.lskel.h".
# The skeleton needs libbpf's headers, and not its library.

find_program(RSEQ_CLANG NAMES clang clang-21 clang-20 clang-19 clang-18 clang-17 clang-16 clang-15
             clang-14 DOC "clang with the BPF target, which compiles the task iterator")
# Debian has bpftool in sbin, which an ordinary user's PATH leaves out.
find_program(RSEQ_BPFTOOL NAMES bpftool PATHS /usr/sbin /usr/local/sbin /sbin
             DOC "bpftool, which generates the skeleton of the task iterator")
if(NOT RSEQ_CLANG)
    message(FATAL_ERROR "The BPF task iterator needs clang: apt install clang")
endif()
if(NOT RSEQ_BPFTOOL)
    message(FATAL_ERROR "The BPF task iterator needs bpftool: apt install bpftool")
endif()

function(rseq_bpf_skeleton name)
    set(source ${CMAKE_CURRENT_SOURCE_DIR}/${name}.bpf.c)
    set(directory ${CMAKE_CURRENT_BINARY_DIR}/${name}_skeleton)
    set(object ${directory}/${name}.bpf.o)
    set(skeleton ${directory}/bpf/${name}.lskel.h)
    list(TRANSFORM ARGN PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/ OUTPUT_VARIABLE headers)
    file(MAKE_DIRECTORY ${directory}/bpf)
    # Without -g there is no CO-RE. cpu=v3 knows 32-bit operations; every kernel since 5.1 does.
    add_custom_command(
        OUTPUT ${object}
        COMMAND ${RSEQ_CLANG} -target bpf -mcpu=v3 -O2 -g -Wall -Wextra -Werror
                -ffile-prefix-map=${PROJECT_SOURCE_DIR}/=
                -I${PROJECT_SOURCE_DIR}/lib ${LIBBPF_CFLAGS}
                -c ${source} -o ${object}
        DEPENDS ${source} ${headers}
        COMMENT "Compiling ${name}.bpf.c for BPF"
        VERBATIM)
    add_custom_command(
        OUTPUT ${skeleton}
        COMMAND sh -c "\"$1\" gen skeleton -L \"$2\" name \"$3\" > \"$4\"" gen
                ${RSEQ_BPFTOOL} ${object} ${name}_bpf ${skeleton}
        DEPENDS ${object}
        COMMENT "Generating ${name}.lskel.h"
        VERBATIM)
    add_custom_target(${name}_skeleton_files DEPENDS ${skeleton})
    add_library(${name}_skeleton INTERFACE)
    add_dependencies(${name}_skeleton ${name}_skeleton_files)
    # Generated code does not keep to our warnings.
    target_include_directories(${name}_skeleton SYSTEM INTERFACE ${directory} ${LIBBPF_INCLUDE_DIRS})
endfunction()
