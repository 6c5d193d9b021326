// SPDX-License-Identifier: GPL-2.0-or-later
#include "verify/section.h"

#include <cstddef>

// What has to stand in front of an abort handler is part of an architecture's ABI. libc's RSEQ_SIG
// would come with a `struct rseq` that our namespace does not get along with.
#if defined(__x86_64__) && defined(__LP64__)
#define RSEQ_VERIFY_SIGNATURE 0x53053053
#elif defined(__aarch64__) && !defined(__AARCH64EB__)
#define RSEQ_VERIFY_SIGNATURE 0xd428bc00
#endif

#define RSEQ_VERIFY_TEXT_OF(x) #x
#define RSEQ_VERIFY_TEXT(x) RSEQ_VERIFY_TEXT_OF(x)

namespace rseq::verify {

static_assert(offsetof(SectionWords, inside) == 0 && offsetof(SectionWords, release) == 4);

#ifdef RSEQ_VERIFY_SIGNATURE

extern "C" {
// 0 if the section ended by itself, 1 if it was aborted.
std::uint32_t rseq_verify_section(volatile Area* area, SectionWords* words)
    __attribute__((visibility("hidden")));
}

// The descriptor is a struct rseq_cs of include/uapi/linux/rseq.h: version, flags, start, length,
// abort handler. A whole function in assembly, so that the compiler can neither duplicate it nor
// put a sanitizer's call into it. The abort handler stands behind the function's return.
asm(".pushsection .data.rel.ro,\"aw\"\n"
    ".balign 32\n"
    ".globl rseq_verify_descriptor\n"
    ".hidden rseq_verify_descriptor\n"
    ".type rseq_verify_descriptor, %object\n"
    ".size rseq_verify_descriptor, 32\n"
    "rseq_verify_descriptor:\n"
    ".long 0, 0\n"
    ".quad .Lrseq_start, .Lrseq_end - .Lrseq_start, .Lrseq_abort\n"
    ".popsection\n"
    ".pushsection .text\n"
    ".balign 16\n"
    ".globl rseq_verify_section\n"
    ".hidden rseq_verify_section\n"
    ".type rseq_verify_section, %function\n"
    "rseq_verify_section:\n"
#if defined(__x86_64__)
    "lea rseq_verify_descriptor(%rip), %rax\n"
    "mov %rax, 8(%rdi)\n"
    ".Lrseq_start:\n"
    "movl $1, 0(%rsi)\n"
    "1: pause\n"
    "cmpl $0, 4(%rsi)\n"
    "je 1b\n"
    ".Lrseq_end:\n"
    "xor %eax, %eax\n"
    "ret\n"
    // ud1 SIGNATURE(%rip), %edi: nothing can run into the handler from above.
    ".byte 0x0f, 0xb9, 0x3d\n"
    ".long " RSEQ_VERIFY_TEXT(
        RSEQ_VERIFY_SIGNATURE) "\n"
                               ".Lrseq_abort:\n"
                               "mov $1, %eax\n"
                               "ret\n"
#else
    "adrp x2, rseq_verify_descriptor\n"
    "add x2, x2, :lo12:rseq_verify_descriptor\n"
    "mov w3, #1\n"
    "str x2, [x0, #8]\n"
    ".Lrseq_start:\n"
    "str w3, [x1]\n"
    "1: yield\n"
    "ldr w2, [x1, #4]\n"
    "cbz w2, 1b\n"
    ".Lrseq_end:\n"
    "mov w0, #0\n"
    "ret\n"
    ".inst " RSEQ_VERIFY_TEXT(
        RSEQ_VERIFY_SIGNATURE) "\n"
                               ".Lrseq_abort:\n"
                               "mov w0, #1\n"
                               "ret\n"
#endif
                               ".size rseq_verify_section, . - rseq_verify_section\n"
                               ".popsection\n");

std::uint32_t section_signature() {
    return RSEQ_VERIFY_SIGNATURE;
}

bool have_section() {
    return true;
}

bool run_critical_section(volatile Area& area, SectionWords& words) {
    const bool aborted = rseq_verify_section(&area, &words) != 0;
    area.rseq_cs = 0;
    return aborted;
}

#else

// Without an abort handler any number serves, as long as it is the same every time.
std::uint32_t section_signature() {
    return 0x53053053;
}

bool have_section() {
    return false;
}

std::uint64_t section_descriptor() {
    return 0;
}

bool run_critical_section(volatile Area& /*area*/, SectionWords& /*words*/) {
    return false;
}

#endif

} // namespace rseq::verify
