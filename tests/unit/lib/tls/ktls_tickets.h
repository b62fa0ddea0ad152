/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TEST_KTLS_TICKETS_H
#define TEST_KTLS_TICKETS_H
/* Tickets that a server sends when the kernel has its client's keys: with the stand-in
   and with the machine's own kernel. */

void test_tickets_of_openssl(void **state);
void test_tickets(void **state);
void test_tickets_refused(void **state);
void test_tickets_of_a_client(void **state);

#endif
