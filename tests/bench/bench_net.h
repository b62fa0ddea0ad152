/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TESTS_BENCH_BENCH_NET_H
#define TESTS_BENCH_BENCH_NET_H
/* Sockets for the bench programs: each call works or ends the program with a sentence. */
#include <stdbool.h>
#include <stdint.h>

struct sockaddr_in;

_Noreturn void die(const char *what);
/* Non-blocking listener / connected blocking socket / connecting non-blocking one with
   no_delay(); numeric addresses. from: NULL, or the address of another host (IPv4). */
int listen_on(const char *address, const char *port);
int connect_to(const char *address, const char *port);
int begin_connect(const struct sockaddr_in *from, const char *address, const char *port);
void be_transparent(int fd);
void no_delay(int fd);
uint64_t now_ns(void);
uint64_t now_us(void);

#endif
