// SPDX-License-Identifier: GPL-2.0-or-later
// Links what glibc has for programs with threads: its release, for debuggers, is in it.
#include <pthread.h>
#include <stddef.h>

static void* run(void* argument) {
    return argument;
}

int main(void) {
    pthread_t thread;
    return pthread_create(&thread, NULL, run, NULL) || pthread_join(thread, NULL);
}
