/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is sealed opens with its key and its account, and with nothing else. */
#include "vault/seal.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const struct str passwords[] = {
	STR(""),
	STR("secret"),
	STR(" % & \\ \" ' ; < > "),
	STR("p\xc3\xa4ss\xffword"),
	STR("0123456789012345678901234567890123456789012345678901234567890123456789"
	    "0123456789012345678901234567890123456789012345678901234567890123456789"),
};
#define COUNT (sizeof(passwords) / sizeof(passwords[0]))

static void test_round_trip(void **state)
{
	uint8_t key[SEAL_KEY_SIZE] = { 1, 2, 3 }, other[SEAL_KEY_SIZE] = { 1, 2, 4 };
	struct str alice = STR_LIT("alice"), clear;

	(void)state;
	for (size_t i = 0; i < COUNT; i++) {
		struct arena arena;
		struct buf once, twice;

		arena_init(&arena);
		buf_init(&once, 0);
		buf_init(&twice, 0);
		assert_int_equal(seal(key, alice, passwords[i], &once), 0);
		assert_int_equal(seal(key, alice, passwords[i], &twice), 0);
		assert_false(str_eq(buf_view(&once), buf_view(&twice)));
		assert_int_equal(unseal(key, alice, buf_view(&once), &arena, &clear), 0);
		assert_true(str_eq(clear, passwords[i]));
		assert_int_equal(
			unseal(other, alice, buf_view(&once), &arena, &clear), -EBADMSG);
		assert_int_equal(
			unseal(key, STR_LIT("bob"), buf_view(&once), &arena, &clear),
			-EBADMSG);
		buf_fini(&once);
		buf_fini(&twice);
		arena_fini(&arena);
	}
}

static struct str key_in(const struct buf *box)
{
	return str_take(str_skip(buf_view(box), 1), BOX_KEY_SIZE);
}

static struct str nonce_in(const struct buf *box)
{
	return str_take(str_skip(buf_view(box), 1 + BOX_KEY_SIZE), BOX_NONCE_SIZE);
}

/* Several boxes by one agreed key, then one by another: each opens by itself. */
static void test_boxes(void **state)
{
	const uint8_t key[SEAL_KEY_SIZE] = { 1, 2, 3 };
	static const uint8_t zero[BOX_KEY_SIZE];
	struct str alice = STR_LIT("alice"), clear;
	struct vault_keys keys;
	struct box_closer closer;
	struct buf boxes[COUNT + 1];
	struct arena arena;
	bool proven = true;

	(void)state;
	arena_init(&arena);
	assert_int_equal(keys_derive(key, &keys), 0);
	box_closer_init(&closer, keys.box_public);
	for (size_t i = 0; i <= COUNT; i++) {
		if (i == COUNT)
			box_forget_key(&closer);
		buf_init(&boxes[i], 0);
		assert_int_equal(
			box_close(&closer, alice, passwords[i % COUNT], &boxes[i]), 0);
	}
	box_forget_key(&closer);
	assert_memory_equal(closer.agreed, zero, sizeof(zero));
	assert_false(str_eq(buf_view(&boxes[0]), buf_view(&boxes[COUNT])));
	assert_true(str_eq(key_in(&boxes[0]), key_in(&boxes[1])));
	assert_false(str_eq(key_in(&boxes[0]), key_in(&boxes[COUNT])));
	for (size_t i = 0; i < COUNT; i++) /* no key has a nonce twice */
		for (size_t j = 0; j < i; j++)
			assert_false(str_eq(nonce_in(&boxes[i]), nonce_in(&boxes[j])));
	for (size_t i = 0; i <= COUNT; i++) {
		assert_int_equal(seal_open(&keys, alice, buf_view(&boxes[i]), &arena,
					 &clear, &proven),
			0);
		assert_false(proven);
		assert_true(str_eq(clear, passwords[i % COUNT]));
		assert_int_equal(seal_open(&keys, STR_LIT("alic"), buf_view(&boxes[i]),
					 &arena, &clear, &proven),
			-EBADMSG);
		buf_fini(&boxes[i]);
	}
	arena_fini(&arena);
}

/* A box of a session opens for that session alone, and none of an account for it. */
static void test_session_boxes(void **state)
{
	const uint8_t key[SEAL_KEY_SIZE] = { 1, 2, 3 };
	char names[2][BOX_NAME_MAX];
	struct str mine, other, clear;
	struct vault_keys keys;
	struct box_closer closer;
	struct buf box, account;
	struct arena arena;
	bool proven = true;

	(void)state;
	arena_init(&arena);
	buf_init(&box, 0);
	buf_init(&account, 0);
	assert_int_equal(keys_derive(key, &keys), 0);
	box_closer_init(&closer, keys.box_public);
	assert_int_equal(box_name_of_session(STR_LIT("4d2-1f"), names[0], &mine), 0);
	assert_int_equal(box_name_of_session(STR_LIT("4d2-1e"), names[1], &other), 0);
	assert_int_equal(box_close(&closer, mine, STR_LIT("secret"), &box), 0);
	assert_int_equal(
		box_close(&closer, STR_LIT("4d2-1f"), STR_LIT("secret"), &account), 0);
	assert_int_equal(
		seal_open(&keys, mine, buf_view(&box), &arena, &clear, &proven), 0);
	assert_true(str_eq(clear, STR_LIT("secret")) && !proven);
	assert_int_equal(seal_open(&keys, other, buf_view(&box), &arena, &clear, &proven),
		-EBADMSG);
	assert_int_equal(seal_open(&keys, STR_LIT("4d2-1f"), buf_view(&box), &arena,
				 &clear, &proven),
		-EBADMSG);
	assert_int_equal(
		seal_open(&keys, mine, buf_view(&account), &arena, &clear, &proven),
		-EBADMSG);
	assert_int_equal(box_name_of_session(STR_LIT(""), names[0], &mine), -EINVAL);
	buf_fini(&box);
	buf_fini(&account);
	arena_fini(&arena);
}

static void test_damaged_box(void **state)
{
	const uint8_t key[SEAL_KEY_SIZE] = { 9 };
	struct str alice = STR_LIT("alice"), clear;
	struct vault_keys keys;
	struct box_closer closer;
	struct arena arena;
	struct buf box;
	bool proven;

	(void)state;
	arena_init(&arena);
	buf_init(&box, 0);
	assert_int_equal(keys_derive(key, &keys), 0);
	box_closer_init(&closer, keys.box_public);
	assert_int_equal(box_close(&closer, alice, STR_LIT("secret"), &box), 0);
	for (size_t i = 0; i < buf_len(&box); i++) {
		assert_int_equal(seal_open(&keys, alice, str_take(buf_view(&box), i),
					 &arena, &clear, &proven),
			-EBADMSG);
		box.data[i] ^= 1;
		assert_int_equal(
			seal_open(&keys, alice, buf_view(&box), &arena, &clear, &proven),
			-EBADMSG);
		box.data[i] ^= 1;
	}
	buf_fini(&box);
	arena_fini(&arena);
}

/* Every bit counts, and every byte. */
static void test_damage(void **state)
{
	uint8_t key[SEAL_KEY_SIZE] = { 7 };
	struct arena arena;
	struct buf sealed;
	struct str whole, clear;

	(void)state;
	arena_init(&arena);
	buf_init(&sealed, 0);
	assert_int_equal(seal(key, STR_LIT("a"), STR_LIT("secret"), &sealed), 0);
	whole = buf_view(&sealed);
	for (size_t i = 0; i < whole.len * 8; i++) {
		sealed.data[i / 8] ^= (char)(1 << i % 8);
		assert_int_equal(
			unseal(key, STR_LIT("a"), whole, &arena, &clear), -EBADMSG);
		sealed.data[i / 8] ^= (char)(1 << i % 8);
	}
	for (size_t i = 0; i < whole.len; i++)
		assert_int_equal(
			unseal(key, STR_LIT("a"), str_take(whole, i), &arena, &clear),
			-EBADMSG);
	assert_int_equal(unseal(key, STR_LIT("a"), whole, &arena, &clear), 0);
	buf_fini(&sealed);
	arena_fini(&arena);
}

static void test_verifier(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT; i++) {
		struct buf made;

		buf_init(&made, 0);
		assert_int_equal(verifier_make(passwords[i], &made), 0);
		assert_true(str_starts(buf_view(&made), STR_LIT("scrypt$32768$8$1$")));
		assert_int_equal(verifier_check(buf_view(&made), passwords[i]), 0);
		assert_int_equal(
			verifier_check(buf_view(&made), passwords[(i + 1) % COUNT]),
			-EACCES);
		buf_fini(&made);
	}
}

static void test_bad_verifiers(void **state)
{
#define HEX32 "00112233445566778899aabbccddeeff"
	static const char *const rows[] = {
		"",
		"scrypt",
		"$1$abc",
		"scrypt$16384$8$1$" HEX32 "$" HEX32,            /* a short hash */
		"scrypt$16384$8$1$" HEX32 "$" HEX32 HEX32 "0",  /* a long one */
		"scrypt$16385$8$1$" HEX32 "$" HEX32 HEX32,      /* N not a power of two */
		"scrypt$1073741824$8$1$" HEX32 "$" HEX32 HEX32, /* a terabyte */
		"scrypt$16384$8$x$" HEX32 "$" HEX32 HEX32,
		"scrypt$0$0$0$" HEX32 "$" HEX32 HEX32,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (verifier_check(str_from(rows[i]), STR_LIT("x")) != -EBADMSG)
			fail_msg("\"%s\" was taken", rows[i]);
}

static void test_key_file(void **state)
{
	char directory[] = "/tmp/mailferry-key-XXXXXX", path[64];
	uint8_t first[SEAL_KEY_SIZE], second[SEAL_KEY_SIZE];
	struct error err = { 0 };
	struct stat about;

	(void)state;
	assert_non_null(mkdtemp(directory));
	(void)snprintf(path, sizeof(path), "%s/key", directory);
	assert_int_equal(seal_key_load(path, false, first, &err), -ENOENT);
	assert_non_null(strstr(err.text, path));
	assert_int_equal(seal_key_load(path, true, first, &err), 0);
	assert_int_equal(seal_key_load(path, true, second, &err), 0);
	assert_memory_equal(first, second, SEAL_KEY_SIZE);
	assert_int_equal(stat(path, &about), 0);
	assert_int_equal(about.st_mode & 0777, 0600);
	assert_int_equal(chmod(path, 0640), 0);
	assert_int_equal(seal_key_load(path, true, second, &err), -EPERM);
	assert_non_null(strstr(err.text, "chmod 600"));
	assert_int_equal(chmod(path, 0600), 0);
	assert_int_equal(truncate(path, SEAL_KEY_SIZE - 1), 0);
	assert_int_equal(seal_key_load(path, true, second, &err), -EINVAL);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(directory), 0); /* nothing else was left there */
}

/* Where an account lives is confirmed of that account alone, and nothing else that is
   bound alike is taken for it. */
static void test_residence(void **state)
{
	static const struct str text = STR("residence\nhome 192.0.2.30\nlogin a\n");
	const struct str alice = STR_LIT("alice");
	uint8_t key[SEAL_KEY_SIZE] = { 1, 2, 3 };
	struct vault_keys keys, others;
	struct buf bound;
	char *bytes;

	(void)state;
	assert_int_equal(keys_derive(key, &keys), 0);
	key[0] = 2;
	assert_int_equal(keys_derive(key, &others), 0);
	buf_init(&bound, 0);
	assert_int_equal(residence_bind(&keys, alice, text, &bound), 0);
	assert_true(residence_is_bound(&keys, alice, buf_view(&bound)));
	assert_false(residence_is_bound(&others, alice, buf_view(&bound)));
	assert_false(residence_is_bound(&keys, STR_LIT("bob"), buf_view(&bound)));
	assert_false(residence_is_bound(&keys, alice, text));
	assert_false(residence_is_bound(&keys, alice, STR_LIT("")));
	bytes = str_dup_c(buf_view(&bound));
	assert_non_null(bytes);
	for (size_t i = 0; i < buf_len(&bound); i++) {
		bytes[i] ^= 1;
		if (residence_is_bound(&keys, alice, str_of(bytes, buf_len(&bound))))
			fail_msg("byte %zu", i);
		bytes[i] ^= 1;
	}
	free(bytes);
	buf_clear(&bound);
	assert_int_equal(source_name_bind(&keys, alice, STR_LIT("bob"), &bound), 0);
	assert_false(residence_is_bound(&keys, alice, buf_view(&bound)));
	buf_clear(&bound);
	assert_int_equal(verifier_bind(&keys, alice, STR_LIT("scrypt$x"), &bound), 0);
	assert_false(residence_is_bound(&keys, alice, buf_view(&bound)));
	assert_int_equal(
		residence_bind(&keys, alice, STR_LIT("scrypt$x"), &bound), -EINVAL);
	buf_fini(&bound);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_boxes),
		cmocka_unit_test(test_session_boxes),
		cmocka_unit_test(test_damaged_box),
		cmocka_unit_test(test_verifier),
		cmocka_unit_test(test_bad_verifiers),
		cmocka_unit_test(test_key_file),
		cmocka_unit_test(test_residence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
