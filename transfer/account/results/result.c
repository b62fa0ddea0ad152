/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/account/results/result.h"

#include "base/clock.h"
#include "transfer/account/results/certificate.h"

#include <errno.h>
#include <stdlib.h>

int result_make(struct job *j, bool equal, struct account_result *ret)
{
	struct certificate_facts facts = { .source = j->source_text,
		.reader = j->source.ops,
		.at = clock_wall_ms(),
		.equal = equal,
		.uidls_kept = j->uidls.kept,
		.uidls = j->uidls.count,
		.uidls_derived = j->uidls.derived,
		.uidls_last = j->uidls.last,
		.uidls_note = j->uidls.note,
		.destination = j->onward.where,
		.onward = onward_renumbers(j) && j->onward.is_open ? &j->onward.carry
		                                                   : NULL,
		.shown = j->onward.is_proven ? &j->onward.proof : NULL };
	struct str certificate;
	char *json;
	int r = certificate_make(&j->sync, &facts, &json);

	if (r < 0)
		return error_errno(&j->err, r, "cannot write the certificate");
	certificate = arena_str(&j->arena, str_from(json));
	free(json);
	if (!certificate.ptr)
		return error_set(&j->err, -ENOMEM, "no memory");
	*ret = (struct account_result){
		.uids_kept = !equal || !j->source.ops->has_uids ? -1
		             : onward_renumbers(j)              ? 0
		                                                : 1,
		.uidls_kept = j->uidls.kept,
		.certificate = certificate,
	};
	return 0;
}

void result_write_failure(struct job *j)
{
	struct account_result result;

	if (result_make(j, false, &result) == 0)
		(void)registry_set_result(j->registry, j->account.id, &result, &j->err);
}
