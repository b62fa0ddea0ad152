/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * mailferry import accounts FILE|-: users who do not come by themselves.
 *
 * What the file says is believed by nobody: each password is closed for the vault, opens
 * nothing, and the transfer logs in at the source with it before anything of the account
 * is copied. One that the source refuses is erased.
 *
 * With --master they are users alone, whose mailboxes the transfer copies by a master
 * user of the source (registry/masters.h); they move when they have logged in themselves.
 */
#include "control/accounts/account_file.h"
#include "control/accounts/master_file.h"
#include "control/running/poke.h"
#include "control/running/vault.h"
#include "control/terminal/control.h"
#include "control/terminal/output.h"

#include "base/buf.h"
#include "base/fd.h"
#include "base/process.h"
#include "registry/passwords.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX (64 << 20) /* some 2 million lines; read in one piece */
#define WRONG_LINES_MAX 20  /* that are named; all are counted */
#define LINES_FIRST 64

struct imported {
	uint64_t line;
	struct str account, outcome;
};
#define ROW(field) offsetof(struct imported, field)
#define ALL (IN_JSON | IN_TABLE)
static const struct column columns[] = {
	{ "line", "line", COLUMN_NUMBER, ALL, ROW(line) },
	{ "outcome", "outcome", COLUMN_TEXT, ALL, ROW(outcome) },
	{ "account", "account", COLUMN_TEXT, ALL, ROW(account) },
};
#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

struct importer {
	struct control *c;
	struct registry *registry; /* NULL: there is none yet */
	char *text;                /* with the passwords: wiped */
	size_t len;
	struct master_file master;
	struct account_line *lines;
	size_t n, cap, wrong;
	struct vault_call vault;
	uint64_t outcomes[IMPORT_OUTCOME_COUNT];
	struct table table;
	json_t *array;
};

/* ---- the file ---- */

static const char *file_name(const struct control *c)
{
	return strcmp(c->arguments[1], "-") == 0 ? "standard input" : c->arguments[1];
}

/* Those who may read it are told of, not refused: it is the admin's. */
static void warn_of_readers(const struct control *c, int fd)
{
	struct stat st;

	if (c->master)
		return; /* there is no password in it */
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 077))
		(void)fprintf(stderr,
			"others can read %s and its passwords (mode %03o): remove it "
			"when it is imported\n",
			file_name(c), (unsigned)(st.st_mode & 0777));
}

static int read_into(struct importer *i, int fd, struct buf *to)
{
	struct control *c = i->c;
	ssize_t n;

	do
		n = buf_read(to, fd, 1 << 16);
	while (n > 0);
	if (n == -ENOBUFS)
		return error_set(&c->err, -EFBIG, "%s has more than %d bytes",
			file_name(c), FILE_MAX);
	if (n < 0)
		return error_errno(&c->err, (int)n, "cannot read %s", file_name(c));
	i->len = buf_len(to);
	i->text = malloc(i->len + 1);
	if (!i->text)
		return error_set(&c->err, -ENOMEM, "no memory");
	if (i->len)
		memcpy(i->text, buf_view(to).ptr, i->len);
	return 0;
}

static int read_file(struct importer *i)
{
	const char *path = i->c->arguments[1];
	CLEANUP(fd_closep)
	int fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO)
	                                : open(path, O_RDONLY | O_CLOEXEC);
	struct buf bytes;
	int code;

	if (fd < 0)
		return error_errno(&i->c->err, -errno, "cannot open %s", path);
	warn_of_readers(i->c, fd);
	buf_init(&bytes, FILE_MAX);
	code = read_into(i, fd, &bytes);
	buf_wipe(&bytes);
	buf_fini(&bytes);
	return code;
}

static int add_line(void *context, const struct account_line *line)
{
	struct importer *i = context;

	if (line->wrong) {
		if (i->wrong++ < WRONG_LINES_MAX)
			(void)fprintf(stderr, "%s:%zu: %s\n", file_name(i->c),
				line->number, line->wrong);
		return 0;
	}
	if (i->n == i->cap) {
		size_t cap = i->cap ? i->cap * 2 : LINES_FIRST;
		struct account_line *more =
			reallocarray(i->lines, cap, sizeof(*i->lines));

		if (!more)
			return error_set(&i->c->err, -ENOMEM, "no memory");
		i->lines = more;
		i->cap = cap;
	}
	i->lines[i->n++] = *line;
	return 0;
}

/* A line that is not understood may be half of another one: then nothing is done. */
static int read_lines(struct importer *i)
{
	struct control *c = i->c;
	int code = read_file(i);

	if (code == 0)
		code = account_file_each(
			c->master ? ACCOUNT_FILE_USERS : ACCOUNT_FILE_PASSWORDS, i->text,
			i->len, add_line, i);
	if (code == 0 && i->wrong)
		code = error_set(&c->err, -EINVAL,
			"%zu of %zu lines of %s are not understood; nothing was imported",
			i->wrong, i->wrong + i->n, file_name(c));
	if (code == 0 && !i->n)
		code = error_set(&c->err, -ENODATA, "%s names no user", file_name(c));
	return code;
}

/* ---- the accounts ---- */

static int import_one(
	struct importer *i, const struct account_line *line, enum import_outcome *ret)
{
	const struct message own = { .type = MESSAGE_IMPORT_PASSWORD,
		.account = line->name,
		.number2 = line->size,
		.payload = line->password };
	const struct message by_master = { .type = MESSAGE_IMPORT_MASTER,
		.account = line->name,
		.text = i->master.login,
		.number = i->master.is_suffix,
		.number2 = line->size,
		.payload = i->master.password };
	uint64_t outcome = 0;
	int code = vault_call_number(
		i->c, &i->vault, i->c->master ? &by_master : &own, &outcome);

	if (code < 0)
		return error_context(&i->c->err, "line %zu", line->number);
	if (outcome >= IMPORT_OUTCOME_COUNT)
		return error_set(&i->c->err, -EBADMSG, "the vault answered nonsense");
	*ret = (enum import_outcome)outcome;
	return 0;
}

/* Whether a password is kept already, only the vault knows: it is not asked. */
static int look_at_one(
	struct importer *i, const struct account_line *line, enum import_outcome *ret)
{
	struct account_route route = { .route = ROUTE_SOURCE };
	int code = i->registry
	                   ? registry_route(i->registry, line->name, &route, &i->c->err)
	                   : -ENOENT;

	*ret = !route.id                                                  ? IMPORT_NEW
	       : route.route == ROUTE_LOCAL                               ? IMPORT_LOCAL
	       : route.pin == PIN_SOURCE                                  ? IMPORT_PINNED
	       : route.stage == STAGE_IDLE || route.stage == STAGE_FAILED ? IMPORT_DUE
	                                                                  : IMPORT_KNOWN;
	return code == -ENOENT ? 0 : code;
}

static int show(
	struct importer *i, const struct account_line *line, enum import_outcome outcome)
{
	const struct imported row = { .line = line->number,
		.account = line->name,
		.outcome = str_from(import_outcome_name(outcome)) };

	if (i->array)
		return json_array_append_new(
			       i->array, output_object(columns, COLUMNS, &row)) < 0
		               ? error_set(&i->c->err, -ENOMEM, "no memory")
		               : 0;
	if (!i->c->dry_run && (outcome == IMPORT_NEW || outcome == IMPORT_DUE))
		return 0;
	return table_add(&i->table, &row) < 0
	               ? error_set(&i->c->err, -ENOMEM, "no memory")
	               : 0;
}

static int import_all(struct importer *i)
{
	int code = 0;

	for (size_t k = 0; code == 0 && k < i->n; k++) {
		enum import_outcome outcome = IMPORT_KNOWN;

		code = i->c->dry_run ? look_at_one(i, &i->lines[k], &outcome)
		                     : import_one(i, &i->lines[k], &outcome);
		if (code < 0)
			return code;
		i->outcomes[outcome]++;
		code = show(i, &i->lines[k], outcome);
	}
	return code;
}

/* ---- what it says ---- */

static int print_json(struct importer *i)
{
	json_t *counts = json_object();

	for (int o = 0; o < IMPORT_OUTCOME_COUNT; o++)
		(void)json_object_set_new(counts,
			import_outcome_name((enum import_outcome)o),
			json_integer((json_int_t)i->outcomes[o]));
	return output_json(json_pack("{s:b, s:o, s:O}", "dry_run", i->c->dry_run,
				   "counts", counts, "accounts", i->array),
		stdout);
}

static void print_text(struct importer *i, bool running)
{
	if (i->table.n_rows > 1)
		table_print(&i->table, stdout);
	for (int o = 0; o < IMPORT_OUTCOME_COUNT; o++)
		(void)printf("%s%llu %s", o ? ", " : "",
			(unsigned long long)i->outcomes[o],
			import_outcome_name((enum import_outcome)o));
	(void)puts(i->c->dry_run ? "\nnothing was written (--dry-run)"
		   : !running    ? "\nmailferry does not run now; it begins when it does"
				 : "");
}

/* Those that were imported before an error stay. */
static int import_and_tell(struct importer *i)
{
	struct control *c = i->c;
	bool running = true;
	int code = c->dry_run ? 0 : vault_call_open(c, &i->vault);

	if (code < 0)
		return code;
	code = import_all(i);
	if (!c->dry_run) {
		vault_call_close(&i->vault);
		running = poke(c, i->lines[0].name);
	}
	if (code < 0)
		return code;
	if (c->json)
		return print_json(i);
	print_text(i, running);
	return 0;
}

static int open_registry(struct importer *i)
{
	int code = control_registry(i->c, &i->registry);

	if (code == 0)
		return control_refuse_retired(i->c, i->registry);
	i->registry = NULL;
	return code == -ENOENT ? 0 : code;
}

static int run(struct importer *i)
{
	struct control *c = i->c;
	int code = process_protect_memory(&c->err);

	if (code == 0)
		code = table_init(&i->table, columns, COLUMNS);
	if (code == 0 && c->json)
		i->array = json_array();
	if (code == 0)
		code = open_registry(i);
	if (code == 0 && c->master)
		code = master_file_read(
			c->master, c->settings.master_separator, &i->master, &c->err);
	if (code == 0)
		code = read_lines(i);
	return code < 0 ? code : import_and_tell(i);
}

enum exit_code cmd_import(struct control *c)
{
	struct importer i = { .c = c, .vault = { .fd = -1 } };
	int code;

	if (strcmp(c->arguments[0], "accounts") != 0) {
		error_set(&c->err, -EINVAL, "import takes accounts, not \"%s\"",
			c->arguments[0]);
		return control_misuse(c);
	}
	code = run(&i);
	if (i.text)
		explicit_bzero(i.text, i.len);
	free(i.text);
	master_file_fini(&i.master);
	free(i.lines);
	table_fini(&i.table);
	json_decref(i.array);
	registry_close(i.registry);
	return code < 0 ? control_fail(c) : EXIT_DONE;
}
