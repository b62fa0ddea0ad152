/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/way_back.h"

#include "control/ask.h"

#include "base/buf.h"
#include "mailstore/store/store.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>

static int add_id(void *context, const struct mailbox *m)
{
	return buf_append(context, str_of(&m->id, sizeof(m->id)));
}

static int count_changed(void *context, const struct store_message *m)
{
	(void)m;
	(*(uint64_t *)context)++;
	return 0;
}

static int count_expunged(void *context, uint32_t uid)
{
	(void)uid;
	(*(uint64_t *)context)++;
	return 0;
}

/* Messages that came, went or changed their flags since. */
static int count_changes(
	struct store *s, uint64_t since, uint64_t *ret_changes, struct error *err)
{
	struct buf ids;
	uint64_t changes = 0;
	int code;

	buf_init(&ids, 0);
	code = store_each_mailbox(s, add_id, &ids, err);
	while (code == 0 && buf_len(&ids) >= sizeof(int64_t)) {
		int64_t id;

		memcpy(&id, buf_view(&ids).ptr, sizeof(id));
		buf_consume(&ids, sizeof(id));
		code = store_each_changed(s, id, since, count_changed, &changes, err);
		if (code == 0)
			code = store_each_expunged(
				s, id, since, count_expunged, &changes, err);
	}
	buf_fini(&ids);
	if (code == 0)
		*ret_changes = changes;
	return code;
}

static int read_switch_modseq(struct store *s, uint64_t *ret_modseq, struct error *err)
{
	struct arena arena;
	struct str value;
	int code;

	arena_init(&arena);
	code = store_checkpoint(s, STR_LIT(SWITCH_MODSEQ), &arena, &value, NULL);
	if (code == 0 && !str_to_u64(value, ret_modseq))
		code = -EBADMSG;
	arena_fini(&arena);
	return code < 0 ? error_set(err, code,
				  "it is not noted what was here at the switch, so it "
				  "cannot be told what is new since; the account stays "
				  "here")
	                : 0;
}

static int check_unchanged(struct store *s, struct str account, struct error *err)
{
	uint64_t since = 0, changes = 0;
	int code = read_switch_modseq(s, &since, err);

	if (code < 0 || store_modseq(s) <= since)
		return code;
	code = count_changes(s, since, &changes, err);
	if (code < 0)
		return code;
	return error_set(err, -ENOTEMPTY,
		"\"%.*s\" stays here: going back would lose %" PRIu64
		" changed messages%s, and carrying them back is not built yet",
		STR_ARG(account), changes, changes ? "" : " and changed folders");
}

/* A mailstore that does not run holds no folder. */
static int release(struct control *c, struct str account)
{
	struct message question = { .type = MESSAGE_RELEASE, .account = account };
	int code =
		ask(&c->settings, MAILSTORE_SOCKET, &question, MESSAGE_RELEASED, &c->err);

	return code == -ECONNREFUSED ? 0 : code;
}

static int return_locked(
	struct control *c, struct registry *r, const struct account *a, struct store *s)
{
	int code = check_unchanged(s, a->name, &c->err);

	if (code == 0)
		code = registry_set_pin(r, a->id, PIN_SOURCE, &c->err);
	if (code == 0)
		code = registry_transition(r, a->id, EVENT_RETURN, STR_LIT("admin"),
			STR_LIT("nothing was new here"), &c->err);
	return code;
}

int way_back(struct control *c, struct registry *r, const struct account *a)
{
	char folder[PATH_MAX];
	struct store *s;
	int code = settings_mail_path(&c->settings, a->name, folder, sizeof(folder));

	if (code < 0)
		return error_errno(&c->err, code, "%s", c->settings.state_dir);
	code = release(c, a->name);
	if (code == 0)
		code = store_open(folder, false, &s, &c->err);
	if (code < 0)
		return code;
	code = return_locked(c, r, a, s);
	store_close(s);
	return code;
}
