/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H
/*
 * What went wrong, as a number for the program and a sentence for the person.
 *
 * Functions return 0 or -errno. Those whose failure a person will read also take a
 * struct error: the one who fails writes the sentence (what, where, cure), each caller
 * may put a context before it, and only a program's main loop prints it. Every function
 * here accepts NULL for the error.
 */
#define ERROR_TEXT_MAX 512 /* a sentence and a path; what is cut ends in "..." */

struct error {
	int code; /* -errno, 0: none */
	char text[ERROR_TEXT_MAX];
};

/* Writes the sentence; returns code, so that one can say `return error_set(...)`. */
int error_set(struct error *e, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The sentence, then ": " and strerror(-code). */
int error_errno(struct error *e, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Puts "context: " before the sentence that is there; returns the code it holds. */
int error_context(struct error *e, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
