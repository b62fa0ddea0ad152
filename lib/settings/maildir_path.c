/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "settings/maildir_path.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define STEP_MAX 255 /* of a name in a file system */

/* Where the first step that has a word in it begins. */
static size_t root_length(const char *path)
{
	const char *word = strchr(path, '%');
	size_t at = word ? (size_t)(word - path) : strlen(path);

	while (at > 0 && path[at - 1] != '/')
		at--;
	return at;
}

void maildir_path_root(const char *path, char *ret, size_t size)
{
	size_t len = root_length(path);

	if (len > 1) /* without the slash */
		len--;
	(void)snprintf(ret, size, "%.*s", (int)len, path);
}

static bool is_step(struct str step)
{
	if (!step.len || step.len > STEP_MAX || step.ptr[0] == '.')
		return false;
	for (size_t i = 0; i < step.len; i++)
		if (iscntrl((unsigned char)step.ptr[i]))
			return false;
	return true;
}

bool maildir_path_is_place(struct str place)
{
	bool has_slash = true;

	while (has_slash) {
		size_t len = str_index(place, '/');

		has_slash = len < place.len;
		if (!is_step(str_take(place, len)))
			return false;
		place = str_skip(place, len + 1);
	}
	return true;
}

struct words {
	struct str all, name, domain;
};

static struct words words_of(const struct settings *s, struct str login)
{
	struct words w = { login, login, STR_LIT("") };

	if (s->n_domains == 1)
		w.domain = str_from(s->domains[0]);
	for (size_t i = login.len; i > 0; i--)
		if (login.ptr[i - 1] == '@') {
			w.name = str_take(login, i - 1);
			w.domain = str_skip(login, i);
			break;
		}
	return w;
}

static struct str word_for(const struct words *w, char letter)
{
	return letter == 'd' ? w->domain : letter == 'n' ? w->name : w->all;
}

/* No word may bring a step of its own, nor be nothing. */
static bool is_word(struct str word)
{
	return word.len && !memchr(word.ptr, '/', word.len) &&
	       !memchr(word.ptr, '\0', word.len);
}

static int put(char *ret, size_t size, size_t *used, struct str bytes)
{
	if (bytes.len >= size - *used)
		return -ENAMETOOLONG;
	for (size_t i = 0; i < bytes.len; i++)
		ret[(*used)++] = (char)tolower((unsigned char)bytes.ptr[i]);
	return 0;
}

static int put_fixed(char *ret, size_t size, size_t *used, char c)
{
	if (*used + 1 >= size)
		return -ENAMETOOLONG;
	ret[(*used)++] = c;
	return 0;
}

int maildir_path_place(const struct settings *s, struct str login, char *ret, size_t size,
	struct error *err)
{
	const char *path = s->destination.path + root_length(s->destination.path);
	struct words words = words_of(s, login);
	size_t used = 0;
	int r = size ? 0 : -ENAMETOOLONG;

	for (; r == 0 && *path; path++) {
		struct str word;

		if (*path != '%') {
			r = put_fixed(ret, size, &used, *path);
			continue;
		}
		word = word_for(&words, *++path);
		r = is_word(word) ? put(ret, size, &used, word) : -EINVAL;
	}
	if (r == 0 && !maildir_path_is_place(str_of(ret, used)))
		r = -EINVAL;
	if (r < 0)
		return error_set(err, -EINVAL,
			"the name \"%.*s\" makes no path for a Maildir (`destination`)",
			STR_ARG(login));
	ret[used] = '\0';
	return 0;
}
