// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

/* Where tracefs is mounted, or NULL. It is not mounted if it is not. The text belongs to
 * libtracefs, which looks once. In C because the header of libtracefs 1.6 is no C++. */
const char* rseq_find_tracefs(void);

#ifdef __cplusplus
}
#endif
