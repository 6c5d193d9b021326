// SPDX-License-Identifier: GPL-2.0-or-later
#include "trace/mount.h"

#include <stdbool.h>
#include <stddef.h>
#include <tracefs.h>

const char* rseq_find_tracefs(void) {
    const char* path = NULL;
    return tracefs_tracing_dir_is_mounted(false, &path) > 0 ? path : NULL;
}
