// SPDX-License-Identifier: GPL-2.0-or-later
//
// What one program learns about rseq, compiled for each ABI of x86 (-m64, -m32, -mx32) without a C
// library, as this system has none for the other two. Prints
//     FEATURE_SIZE ALIGN SHORT LONG
// from the auxiliary vector (0: no entry) and what the registration of 32 and of 64 bytes returned,
// and then, still registered with 64, its /proc/self/rseq.

#if defined(__x86_64__) && !defined(__ILP32__)
enum { nr_write = 1, nr_open = 2, nr_read = 0, nr_exit = 60, nr_rseq = 334 };
#elif defined(__x86_64__)
enum {
    x32 = 0x40000000,
    nr_write = x32 + 1,
    nr_open = x32 + 2,
    nr_read = x32,
    nr_exit = x32 + 60,
    nr_rseq = x32 + 334
};
#else
enum { nr_write = 4, nr_open = 5, nr_read = 3, nr_exit = 1, nr_rseq = 386 };
#endif

enum { at_rseq_feature_size = 27, at_rseq_align = 28, flag_unregister = 1, signature = 0x53053053 };

static char area[64] __attribute__((aligned(64)));

#ifdef __x86_64__
static long call(long nr, long a, long b, long c, long d) {
    register long r10 __asm__("r10") = d;
    long ret;
    __asm__ volatile("syscall"
                     : "=a"(ret)
                     : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10)
                     : "rcx", "r11", "memory");
    return ret;
}

__asm__(".globl _start\n_start: mov %rsp, %rdi\n and $-16, %rsp\n call report\n");
#else
static long call(long nr, long a, long b, long c, long d) {
    long ret;
    __asm__ volatile("int $0x80" : "=a"(ret) : "a"(nr), "b"(a), "c"(b), "d"(c), "S"(d) : "memory");
    return ret;
}

__asm__(".globl _start\n_start: mov %esp, %eax\n and $-16, %esp\n sub $12, %esp\n push %eax\n"
        " call report\n");
#endif

static void put(const char* text, long length) {
    if (call(nr_write, 1, (long)text, length, 0) != length) {
        call(nr_exit, 1, 0, 0, 0);
    }
}

static void put_number(long number, char end) {
    char text[24];
    char* digit = text + sizeof text;
    unsigned long rest = number < 0 ? -(unsigned long)number : (unsigned long)number;

    *--digit = end;
    do {
        *--digit = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest);
    if (number < 0) {
        *--digit = '-';
    }
    put(digit, text + sizeof text - digit);
}

static long rseq(long length, long flags) {
    return call(nr_rseq, (long)area, length, flags, signature);
}

// The words that the kernel puts on the stack are as long as a pointer of the ABI: argc, arguments,
// 0, environment, 0, auxiliary vector.
__attribute__((used)) void report(const unsigned long* word) {
    unsigned long feature_size = 0;
    unsigned long align = 0;
    char text[1024];
    long ret;

    word += 1 + *word + 1;
    while (*word++) {
    }
    for (; word[0]; word += 2) {
        if (word[0] == at_rseq_feature_size) {
            feature_size = word[1];
        } else if (word[0] == at_rseq_align) {
            align = word[1];
        }
    }
    put_number((long)feature_size, ' ');
    put_number((long)align, ' ');
    ret = rseq(32, 0);
    put_number(ret, ' ');
    if (ret == 0 && rseq(32, flag_unregister) != 0) {
        call(nr_exit, 2, 0, 0, 0);
    }
    put_number(rseq(64, 0), '\n');

    const long file = call(nr_open, (long)"/proc/self/rseq", 0, 0, 0);
    ret = call(nr_read, file, (long)text, sizeof text, 0);
    if (ret <= 0) {
        call(nr_exit, 3, 0, 0, 0);
    }
    put(text, ret);
    call(nr_exit, 0, 0, 0, 0);
}
