/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/up/certificates.h"

#include "control/running/events.h"

#include "base/fd.h"
#include "base/hash.h"
#include "base/log.h"
#include "messages/ask.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#define LOOK_MS 1000   /* a file that changes is looked at twice before it is read */
#define ANSWER_MS 2000 /* the vault reads some KiB */
#define STAPLE_END ".ocsp"

/* ── their stamp ───────────────────────────────────────────────────────────────────── */

static void mix(uint64_t *hash, uint64_t value)
{
	*hash = hash_mix(*hash, value);
}

static void mix_file(uint64_t *hash, const char *path)
{
	struct stat about;

	if (stat(path, &about) < 0) {
		mix(hash, (uint64_t)errno);
		return;
	}
	mix(hash, about.st_dev);
	mix(hash, about.st_ino);
	mix(hash, (uint64_t)about.st_size);
	mix(hash, (uint64_t)about.st_mtim.tv_sec);
	mix(hash, (uint64_t)about.st_mtim.tv_nsec);
}

static bool staple_path(const char *certificate, char *path, size_t size)
{
	int len = snprintf(path, size, "%s" STAPLE_END, certificate);

	return len > 0 && (size_t)len < size;
}

uint64_t certificates_stamp(const struct settings *s)
{
	uint64_t hash = HASH_FIRST;
	char staple[1100];

	for (size_t i = 0; i < s->tls.certificates.n; i++) {
		mix_file(&hash, s->tls.certificates.paths[i]);
		mix_file(&hash, s->tls.keys.paths[i]);
		if (staple_path(s->tls.certificates.paths[i], staple, sizeof(staple)))
			mix_file(&hash, staple);
	}
	return hash;
}

/* ── to the vault ──────────────────────────────────────────────────────────────────── */

static int send_file(
	int vault, enum renewal_file kind, const char *path, struct error *err)
{
	const struct patience patience = { .ms = ANSWER_MS };
	struct message m = {
		.type = MESSAGE_RENEWAL_FILE, .number = kind, .text = str_from(path)
	};
	CLEANUP(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? error_errno(err, -errno, "cannot read %s", path)
	              : ask_send_fd(vault, &m, fd, &patience, err);
}

static int send_all(int vault, const struct settings *s, struct error *err)
{
	char staple[1100];
	int r = 0;

	for (size_t i = 0; r == 0 && i < s->tls.certificates.n; i++) {
		const char *certificate = s->tls.certificates.paths[i];
		struct stat about;

		r = send_file(vault, RENEWAL_CERTIFICATE, certificate, err);
		if (r == 0)
			r = send_file(vault, RENEWAL_KEY, s->tls.keys.paths[i], err);
		if (r == 0 && staple_path(certificate, staple, sizeof(staple)) &&
			stat(staple, &about) == 0)
			r = send_file(vault, RENEWAL_STAPLE, staple, err);
	}
	return r;
}

int certificates_renew(const struct settings *s, struct error *err)
{
	const struct patience patience = { .ms = ANSWER_MS };
	const struct message renew = { .type = MESSAGE_RENEW };
	char bytes[IPC_MESSAGE_MAX];
	struct message answer;
	CLEANUP(fd_closep) int vault = ask_open(s->run_dir, VAULT_SOCKET, err);
	int r = vault < 0 ? vault : send_all(vault, s, err);

	if (r == 0)
		r = ask_send(vault, &renew, &patience, err);
	if (r == 0)
		r = ask_receive(vault, bytes, &patience, &answer, err);
	if (r == 0 && answer.type != MESSAGE_DONE)
		r = error_set(err, -EBADMSG, "the vault answered %s",
			message_type_name(answer.type));
	return r;
}

/* ── by themselves ─────────────────────────────────────────────────────────────────── */

void certificates_watch_begin(struct certificate_watch *w, const struct settings *s)
{
	*w = (struct certificate_watch){ 0 };
	w->in_use = w->seen = certificates_stamp(s);
	w->is_judged = true;
}

static void renew(struct certificate_watch *w, const struct settings *s, uint64_t stamp)
{
	struct error err;
	char text[ERROR_TEXT_MAX + 64];

	if (certificates_renew(s, &err) == 0) {
		w->in_use = stamp;
		log_info(NULL, "certificates", "renewed=%zu", s->tls.certificates.n);
		(void)event_forget(s, CERTIFICATE_EVENT);
		return;
	}
	log_error(NULL, "certificates", "error=\"%s\": the old ones stay", err.text);
	(void)snprintf(text, sizeof(text),
		"new certificates were not taken, the old ones stay: %s", err.text);
	(void)event_note(s, CERTIFICATE_EVENT, text);
}

void certificates_watch_renew(struct certificate_watch *w, const struct settings *s)
{
	w->seen = certificates_stamp(s);
	w->is_judged = true;
	renew(w, s, w->seen);
}

void certificates_watch_tick(
	struct certificate_watch *w, const struct settings *s, uint64_t now)
{
	uint64_t stamp;

	if (now < w->look_at)
		return;
	w->look_at = now + LOOK_MS;
	stamp = certificates_stamp(s);
	if (stamp != w->seen) {
		w->seen = stamp; /* the next look reads it, if it is still the same */
		w->is_judged = stamp == w->in_use;
	} else if (!w->is_judged) {
		w->is_judged = true;
		renew(w, s, stamp);
	}
}
