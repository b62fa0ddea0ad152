/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_MIME_CONTINUATION_H
#define WIRE_MIME_CONTINUATION_H
/*
 * Parameter values in pieces (RFC 2231):
 *
 *   filename*0*=UTF-8''Angebot%20f%C3%BCr; filename*1=" M.pdf"
 *   becomes  filename*  UTF-8''Angebot%20f%C3%BCr%20M.pdf
 *
 * Servers join them in BODYSTRUCTURE (RFC 9051, 7.5.2), since clients look for the name
 * without a number.
 */
#include "wire/mime/content.h"

/* Joins the pieces in *content in the order of their numbers, from 0 to the first that is
   missing; the value takes the place of the first piece. Without a piece 0 nothing is
   changed. Values are allocated in arena; false: no memory. */
bool mime_join_pieces(struct mime_content *content, struct arena *arena);

/* What "charset'language'percent-encoded" says, in its own charset. ptr NULL: no memory.
 */
struct str mime_extended_text(struct str value, struct arena *arena);

#endif
