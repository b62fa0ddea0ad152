/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/copy/usual.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- whether the destination is what the source is ---- */

#define ASSERT_STR(is, expected) assert_true(str_eq((is), str_from(expected)))

struct check {
	struct end *end;
	struct memory_source *source;
	struct memory_folder *folder;
	int64_t id;
	size_t next; /* folder, message */
};

static int check_body(void *context, struct str body)
{
	const struct memory_message *want = context;

	assert_int_equal(body.len, want->body_len);
	for (size_t i = 0; i < want->body_len; i++)
		assert_int_equal(body.ptr[i], memory_byte(want->uid, i));
	return 0;
}

static int check_message(void *context, const struct mail *m)
{
	struct check *c = context;
	const struct memory_message *want = &c->folder->messages[c->next++];

	assert_true(c->next <= c->folder->count);
	assert_int_equal(m->uid, want->uid);
	assert_int_equal(m->flags, want->flags);
	ASSERT_STR(m->keywords, want->keywords);
	assert_int_equal(m->date, want->date);
	assert_int_equal(m->zone, want->zone);
	assert_int_equal(m->size, memory_size(want));
	assert_int_equal(m->body_len, want->body_len);
	return 0;
}

static void check_messages(struct check *c)
{
	const struct destination *to = &c->end->to;
	struct error err = { 0 };

	c->next = 0;
	OK(to->ops->each_mail(to->self, c->id, 1, UINT32_MAX, check_message, c, &err));
	assert_int_equal(c->next, c->folder->count);
	for (size_t i = 0; i < c->folder->count; i++)
		OK(to->ops->read_body(to->self, c->id, c->folder->messages[i].uid,
			check_body, &c->folder->messages[i], &err));
}

static int check_folder(void *context, const struct destination_folder *d)
{
	struct check *all = context, c = *all;
	char name[64];

	(void)snprintf(name, sizeof(name), "%.*s", STR_ARG(d->is.name));
	c.folder = memory_folder(c.source, name);
	c.id = d->id;
	all->next++;
	assert_non_null(c.folder);
	assert_int_equal(d->is.separator, c.folder->separator);
	assert_int_equal(d->is.attributes, c.folder->attributes);
	ASSERT_STR(d->is.special_use, c.folder->special_use);
	if (c.folder->attributes & FOLDER_NOSELECT)
		return 0;
	assert_int_equal(d->uidvalidity, c.folder->uidvalidity);
	assert_int_equal(d->uidnext, c.folder->uidnext);
	check_messages(&c);
	return 0;
}

static int check_subscription(void *context, struct str name)
{
	struct check *c = context;
	bool is_found = false;

	for (size_t i = 0; i < c->source->n_subscriptions; i++)
		is_found =
			is_found || str_eq(str_from(c->source->subscriptions[i]), name);
	assert_true(is_found);
	c->next++;
	return 0;
}

void check_equal(struct end *end, struct memory_source *m)
{
	struct check c = { .end = end, .source = m };
	const struct destination *to = &end->to;
	struct error err = { 0 };

	OK(to->ops->each_folder(to->self, check_folder, &c, &err));
	assert_int_equal(c.next, m->n_folders);
	c.next = 0;
	OK(to->ops->each_subscription(to->self, check_subscription, &c, &err));
	assert_int_equal(c.next, m->n_subscriptions);
}

/* ---- the source ---- */

struct memory_source *usual_source(void)
{
	struct memory_source *m = calloc(1, sizeof(*m));
	struct memory_folder *f;

	assert_non_null(m);
	f = memory_add_folder(m, "INBOX");
	f->highestmodseq = 5000;
	for (uint32_t uid = 3; uid <= 30; uid += 3)
		memory_add(f, uid, uid * 100);
	memory_find(f, 3)->flags = MAIL_SEEN | MAIL_DELETED;
	memory_find(f, 6)->keywords = "$Forwarded todo";
	memory_find(f, 9)->said_size = 901; /* wrong, as some servers say it */
	memory_add(f, 4000000000, 0);       /* an empty one */
	f = memory_add_folder(m, "Sent");
	f->special_use = "\\Sent";
	memory_add(f, 1, 70000);
	memory_add(f, 2, 5);
	memory_add_folder(m, "Empty")->uidnext = 12;
	memory_add_folder(m, "Archive")->attributes = FOLDER_NOSELECT;
	memory_add(memory_add_folder(m, "Archive/2019"), 7, 300);
	m->subscriptions[m->n_subscriptions++] = "INBOX";
	m->subscriptions[m->n_subscriptions++] = "gone long ago";
	return m;
}

/* ---- rows: what happens at the source ---- */

static void new_mail(struct memory_source *m)
{
	memory_add(memory_folder(m, "Sent"), 3, 400);
	memory_add(memory_folder(m, "Empty"), 12, 1);
}

static void mail_gone(struct memory_source *m)
{
	memory_remove(memory_folder(m, "INBOX"), 3);
	memory_remove(memory_folder(m, "INBOX"), 15);
	memory_remove(memory_folder(m, "INBOX"), 4000000000);
}

static void all_gone(struct memory_source *m)
{
	memory_folder(m, "INBOX")->count = 0;
}

static void other_flags(struct memory_source *m)
{
	memory_find(memory_folder(m, "INBOX"), 3)->flags = MAIL_ANSWERED;
	memory_find(memory_folder(m, "INBOX"), 30)->flags = MAIL_FLAGGED | MAIL_DRAFT;
}

static void other_keywords(struct memory_source *m)
{
	memory_find(memory_folder(m, "INBOX"), 6)->keywords = "";
	memory_find(memory_folder(m, "INBOX"), 12)->keywords = "$Junk";
	memory_find(memory_folder(m, "INBOX"), 15)->keywords = "$junk";
}

static void made_anew(struct memory_source *m)
{
	memory_folder(m, "INBOX")->uidvalidity = 77;
	memory_remove(memory_folder(m, "INBOX"), 3);
	memory_find(memory_folder(m, "INBOX"), 6)->body_len = 17;
}

static void uid_of_another(struct memory_source *m)
{
	memory_find(memory_folder(m, "INBOX"), 12)->date += 3600;
	memory_find(memory_folder(m, "INBOX"), 15)->body_len = 16;
}

static void folder_made(struct memory_source *m)
{
	memory_add(memory_add_folder(m, "Sent/inner"), 1, 10);
	memory_add_folder(m, "sent"); /* another one: case counts */
}

static void folder_gone(struct memory_source *m)
{
	memory_remove_folder(m, "Sent");
	memory_remove_folder(m, "Archive/2019");
}

static void folder_renamed(struct memory_source *m)
{
	memory_folder(m, "Sent")->name = "Gesendet";
}

static void folder_deleted_and_made(struct memory_source *m)
{
	struct memory_folder *f = memory_folder(m, "Sent");

	f->uidvalidity++;
	f->uidnext = 1;
	f->count = 0;
}

static void attributes(struct memory_source *m)
{
	memory_folder(m, "Sent")->special_use = "";
	memory_folder(m, "Empty")->special_use = "\\Trash";
	memory_folder(m, "Archive/2019")->separator = '.';
}

static void opened_up(struct memory_source *m)
{
	memory_folder(m, "Archive")->attributes = 0;
	memory_add(memory_folder(m, "Archive"), 1, 10);
}

static void subscriptions(struct memory_source *m)
{
	m->subscriptions[1] = "Sent";
	m->subscriptions[2] = "Old list";
	m->n_subscriptions = 3;
}

static void backwards(struct memory_source *m)
{
	m->backwards = true;
	new_mail(m);
	other_keywords(m);
	mail_gone(m);
}

void usual_hundreds(struct memory_source *m)
{
	for (uint32_t uid = 100; uid < 720; uid++)
		memory_add(memory_folder(m, "Empty"), uid, uid % 50);
}

const struct change_row change_rows[] = {
	{ "new mail", new_mail },
	{ "mail gone", mail_gone },
	{ "all gone", all_gone },
	{ "other flags", other_flags },
	{ "other keywords", other_keywords },
	{ "UIDVALIDITY", made_anew },
	{ "a UID has become another message's", uid_of_another },
	{ "folder made", folder_made },
	{ "folder gone", folder_gone },
	{ "folder renamed", folder_renamed },
	{ "folder deleted and made", folder_deleted_and_made },
	{ "attributes", attributes },
	{ "\\Noselect no more", opened_up },
	{ "subscriptions", subscriptions },
	{ "listed backwards", backwards },
	{ "more than a batch", usual_hundreds },
};
const size_t n_change_rows = sizeof(change_rows) / sizeof(change_rows[0]);
