// SPDX-License-Identifier: GPL-2.0-or-later
// A thread that is not registered for rseq, registered v1, or registered v2, for programs that are
// linked with a libc that registers nothing itself (musl).
#pragma once

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { at_rseq_feature_size = 27 };
enum { v1_length = 32, area_size = 256 };
static const uint32_t signature = 0x53053053;

enum mode { unregistered, v1, v2 };
static const char* const mode_names[] = {"unregistered", "v1", "v2"};
static enum mode mode;

static __thread _Alignas(256) unsigned char area[area_size];

static void die(const char* what) {
    fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(errno));
    exit(1);
}

static uint32_t v2_length(void) {
    return (uint32_t)getauxval(at_rseq_feature_size);
}

// Registers the calling thread as the mode asks for.
static void register_thread(void) {
    if (mode == unregistered) {
        return;
    }
    const uint32_t length = mode == v1 ? v1_length : v2_length();
    const int32_t uninitialized = -1;
    memcpy(area + 4, &uninitialized, sizeof uninitialized);
    if (syscall(SYS_rseq, area, length, 0, signature) != 0) {
        die("rseq");
    }
}
