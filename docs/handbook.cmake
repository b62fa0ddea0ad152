# SPDX-License-Identifier: GPL-3.0-or-later
# cmake -DLOWDOWN=… -DPAGE=….md -DTO=….html -P handbook.cmake: one page of the handbook as HTML, whose
# links lead to the others' HTML.
file(STRINGS ${PAGE} title REGEX "^# " LIMIT_COUNT 1)
string(REGEX REPLACE "^# +" "" title "${title}")
execute_process(COMMAND ${LOWDOWN} -s -t html --out-no-smarty -M "title=${title}" -M css=handbook.css ${PAGE}
	OUTPUT_VARIABLE html COMMAND_ERROR_IS_FATAL ANY)
string(REGEX REPLACE "(href=\"[a-z-]+)\\.md([\"#])" "\\1.html\\2" html "${html}")
string(REPLACE "href=\"README.md" "href=\"index.html" html "${html}")
file(WRITE ${TO} "${html}")
