/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TEST_KTLS_MESSAGES_H
#define TEST_KTLS_MESSAGES_H
/* Messages of the handshake that come when the kernel has the keys: with the stand-in and
   with the machine's own kernel. */

void test_handshake_refused(void **state);
void test_tickets_of_openssl(void **state);
void test_tickets(void **state);
void test_tickets_refused(void **state);
void test_tickets_of_a_client(void **state);

#endif
