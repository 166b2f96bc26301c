/*
 * secret.h - randomness from the kernel, and care with secrets.
 */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H

#include "base/base.h"

/* Fills len bytes from getrandom(2).  Aborts the program if the kernel has
 * no randomness to give: nothing safe could follow. */
void secret_random(void *at, size_t len);

/* Writes len characters of a-z2-7 (5 bits each) and a NUL: len + 1 bytes. */
void secret_token(char *out, size_t len);

/* A number in 0..below-1 without bias; below >= 1. */
uint64_t secret_below(uint64_t below);

/* Takes the same time wherever the difference is. */
bool secret_equal(struct slice a, struct slice b);

/* Overwrites memory in a way that the compiler keeps. */
void secret_wipe(void *at, size_t len);

#endif /* BASE_SECRET_H */
