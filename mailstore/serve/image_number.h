/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_SERVE_IMAGE_NUMBER_H
#define MAILSTORE_SERVE_IMAGE_NUMBER_H
/* Numbers in images (store/image.h): seven bits a byte, the lowest first. Small ones are
   one byte, so that differences are kept, which may be below zero. */
#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

int image_put_number(struct buf *out, uint64_t n); /* 0 or -ENOMEM */
/* false: there is none, or it is larger. */
bool image_take_number(struct str *bytes, uint64_t most, uint64_t *ret);

/* Modulo 2^64; the nearer to zero, the smaller is what is kept. */
int image_put_difference(struct buf *out, uint64_t n, uint64_t before);
bool image_take_difference(struct str *bytes, uint64_t before, uint64_t *ret);

#endif
