/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_OUT_OF_SERVICE_H
#define TRANSFER_OUT_OF_SERVICE_H
/* Where the time goes in which an account is out of service, for the log. */
#include "transfer/account/job/job.h"

/* The time since the last lap was spent with that. */
void out_of_service_lap(struct job *j, enum job_out part);
/* Not of a switch that a process before this one has begun. */
void out_of_service_log(struct job *j);

#endif
