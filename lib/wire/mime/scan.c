/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/mime/scan.h"

#include "wire/mime/content.h"
#include "wire/mime/header.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct level {
	uint32_t part;
	uint32_t last_child;
	struct str boundary; /* of a multipart that is still open, else empty */
	uint64_t lines;      /* LFs before its body */
	bool digest;
};

struct scan {
	struct mime_tree *tree;
	size_t at;
	uint64_t lines;
	struct level levels[MIME_DEPTH_MAX];
	size_t depth;
	size_t boundaries; /* levels that wait for one */
	bool in_header;    /* of the innermost part */
};

static int part_new(struct mime_tree *tree, size_t at, uint32_t *ret_index)
{
	if (tree->count == tree->cap) {
		uint32_t cap = tree->cap ? tree->cap * 2 : 8;
		struct mime_part *more = realloc(tree->parts, cap * sizeof(*more));

		if (!more)
			return -ENOMEM;
		tree->parts = more;
		tree->cap = cap;
	}
	tree->parts[tree->count] =
		(struct mime_part){ .header = at, .body = at, .end = at };
	*ret_index = tree->count++;
	return 0;
}

static int open_part(struct scan *s)
{
	struct level *parent = s->depth ? &s->levels[s->depth - 1] : NULL;
	uint32_t index;
	int r = part_new(s->tree, s->at, &index);

	if (r < 0)
		return r;
	if (parent) {
		if (parent->last_child)
			s->tree->parts[parent->last_child].next = index;
		else
			s->tree->parts[parent->part].child = index;
		parent->last_child = index;
		s->tree->parts[index].in_digest = parent->digest;
	}
	s->levels[s->depth++] = (struct level){ .part = index };
	s->in_header = true;
	return 0;
}

/* Ends all parts below `depth`. end, lines: of what belongs to them. */
static void close_parts(struct scan *s, size_t depth, size_t end, uint64_t lines)
{
	while (s->depth > depth) {
		struct level *level = &s->levels[--s->depth];
		struct mime_part *part = &s->tree->parts[level->part];

		if (s->in_header) { /* it never had a blank line */
			part->body = end > part->header ? end : part->header;
			level->lines = lines;
			s->in_header = false;
		}
		if (end < part->body) /* no byte of it: what is around it goes as far */
			end = part->body;
		part->end = end;
		part->lines = lines > level->lines ? lines - level->lines : 0;
		if (level->boundary.len)
			s->boundaries--;
	}
}

static bool content_type_of(const struct mime_tree *tree, const struct mime_part *part,
	struct arena *arena, struct mime_content *ret_content)
{
	struct mime_field field;

	return mime_find_field(
		       mime_part_header(tree, part), STR_LIT("Content-Type"), &field) &&
	       mime_content_type(field.value, arena, ret_content);
}

static bool has_room(const struct scan *s)
{
	return s->depth < MIME_DEPTH_MAX && s->tree->count < MIME_PARTS_MAX;
}

static void expect_boundary(
	struct scan *s, struct level *level, const struct mime_content *content)
{
	struct str boundary =
		mime_param_text(content, STR_LIT("boundary"), &s->tree->arena);

	if (!boundary.len)
		return;
	level->boundary = boundary;
	level->digest = str_ieq(content->subtype, STR_LIT("digest"));
	s->tree->parts[level->part].kind = MIME_MULTIPART;
	s->boundaries++;
}

static int enter_body(struct scan *s)
{
	struct level *level = &s->levels[s->depth - 1];
	struct mime_part *part = &s->tree->parts[level->part];
	struct mime_content content;
	bool message;

	s->in_header = false;
	part->body = part->end = s->at;
	level->lines = s->lines;
	message = part->in_digest;
	if (content_type_of(s->tree, part, &s->tree->arena, &content)) {
		message = mime_is_type(&content, STR_LIT("message"), STR_LIT("rfc822"));
		if (str_ieq(content.type, STR_LIT("multipart")) && has_room(s))
			expect_boundary(s, level, &content);
	}
	if (!message || !has_room(s))
		return 0;
	part->kind = MIME_MESSAGE;
	return open_part(s);
}

/* The open multipart whose boundary this line is: the longest when several would do, as
   one may begin like another. *ret_rest: what follows it. */
static struct level *boundary_owner(struct scan *s, struct str line, struct str *ret_rest)
{
	struct str text = str_skip(line, 2);
	struct level *best = NULL;

	for (size_t i = s->depth; i-- > 0;) {
		struct level *level = &s->levels[i];

		if (level->boundary.len && str_starts(text, level->boundary) &&
			(!best || best->boundary.len < level->boundary.len))
			best = level;
	}
	if (best)
		*ret_rest = str_skip(text, best->boundary.len);
	return best;
}

static size_t line_end_before(struct str message, size_t at)
{
	if (at && message.ptr[at - 1] == '\n')
		at--;
	if (at && message.ptr[at] == '\n' && message.ptr[at - 1] == '\r')
		at--;
	return at;
}

static void step_over(struct scan *s, struct str line)
{
	s->at += line.len;
	if (line.ptr[line.len - 1] == '\n')
		s->lines++;
}

static int at_boundary(
	struct scan *s, struct level *owner, struct str rest, struct str line)
{
	size_t end = line_end_before(s->tree->message, s->at);
	uint64_t lines = s->lines;

	if (end < s->at)
		lines--;
	close_parts(s, (size_t)(owner - s->levels) + 1, end, lines);
	step_over(s, line);
	if (str_starts(rest, STR_LIT("--"))) { /* the epilogue follows */
		owner->boundary = STR_LIT("");
		s->boundaries--;
		return 0;
	}
	return has_room(s) ? open_part(s) : 0;
}

static int scan_line(struct scan *s, struct str line)
{
	struct level *owner;
	struct str rest;

	if (s->boundaries && line.len > 2 && line.ptr[0] == '-' && line.ptr[1] == '-') {
		owner = boundary_owner(s, line, &rest);
		if (owner)
			return at_boundary(s, owner, rest, line);
	}
	step_over(s, line);
	return s->in_header && mime_is_blank(line) ? enter_body(s) : 0;
}

int mime_scan(struct str message, struct mime_tree *ret_tree)
{
	struct scan s = { .tree = ret_tree };
	int r;

	*ret_tree = (struct mime_tree){ .message = message };
	arena_init(&ret_tree->arena);
	r = open_part(&s);
	while (r == 0 && s.at < message.len) {
		struct str rest = str_skip(message, s.at);

		r = scan_line(&s, str_take(rest, mime_line(rest)));
	}
	if (r < 0) {
		mime_tree_fini(ret_tree);
		return r;
	}
	close_parts(&s, 0, message.len, s.lines);
	return 0;
}

void mime_tree_fini(struct mime_tree *tree)
{
	free(tree->parts);
	arena_fini(&tree->arena);
	*tree = (struct mime_tree){ 0 };
}

struct str mime_part_header(const struct mime_tree *tree, const struct mime_part *part)
{
	return str_take(str_skip(tree->message, part->header), part->body - part->header);
}

struct str mime_part_body(const struct mime_tree *tree, const struct mime_part *part)
{
	return str_take(str_skip(tree->message, part->body), part->end - part->body);
}

void mime_part_type(const struct mime_tree *tree, const struct mime_part *part,
	struct arena *arena, struct mime_content *ret_type)
{
	bool known = content_type_of(tree, part, arena, ret_type);
	bool message =
		known && mime_is_type(ret_type, STR_LIT("message"), STR_LIT("rfc822"));

	if (part->kind == MIME_MESSAGE && !known) { /* of a digest */
		*ret_type = (struct mime_content){ .type = STR("message"),
			.subtype = STR("rfc822") };
	} else if (part->kind == MIME_LEAF &&
		   (!known || message || str_ieq(ret_type->type, STR_LIT("multipart")))) {
		ret_type->type = STR_LIT("text");
		ret_type->subtype = STR_LIT("plain");
		ret_type->n_params = 0;
	}
}

static const struct mime_part *nth_child(
	const struct mime_tree *tree, const struct mime_part *part, uint32_t n)
{
	uint32_t index = part->child;

	while (index && n > 1) {
		index = tree->parts[index].next;
		n--;
	}
	return index && n ? &tree->parts[index] : NULL;
}

/* A part that is no multipart has one part, itself; a message in a message is entered
   by the number that comes after its own. */
const struct mime_part *mime_part_find(
	const struct mime_tree *tree, const uint32_t *numbers, size_t count)
{
	const struct mime_part *part = &tree->parts[0];

	for (size_t i = 0; i < count; i++) {
		if (i && part->kind == MIME_MESSAGE)
			part = &tree->parts[part->child];
		else if (i && part->kind == MIME_LEAF)
			return NULL;
		if (part->kind == MIME_MULTIPART)
			part = nth_child(tree, part, numbers[i]);
		else if (numbers[i] != 1)
			return NULL;
		if (!part)
			return NULL;
	}
	return part;
}

size_t mime_header_length(struct str message)
{
	size_t at = 0;

	while (at < message.len) {
		struct str rest = str_skip(message, at);
		size_t len = mime_line(rest);

		at += len;
		if (mime_is_blank(str_take(rest, len)))
			break;
	}
	return at;
}
