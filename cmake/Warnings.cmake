# SPDX-License-Identifier: GPL-3.0-or-later
# Every flag with the reason it is here. Errors in our builds, not for packagers.
option(MAILFERRY_WERROR "treat warnings as errors" OFF)

add_library(mailferry_warnings INTERFACE)
target_compile_options(mailferry_warnings INTERFACE
	-Wall -Wextra -Wpedantic        # the base
	-Wshadow                        # an inner `len` hiding an outer one has cost mail before
	-Wconversion -Wsign-conversion  # sizes come off the wire: each narrowing is a decision
	-Wformat=2                      # a log line is never a format
	-Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition # header and body agree
	-Wundef                         # a misspelt #if is not 0
	-Wvla                           # stack use is known when compiling
	-Wcast-qual -Wwrite-strings     # const stays const
	-Wpointer-arith                 # no arithmetic on void *
	-Wimplicit-fallthrough          # fallthrough is said
	-Wswitch-enum                   # a new state fails to build wherever it is not handled
	-Wnull-dereference              # seen through inlining
	-Wdouble-promotion              # no float arithmetic by accident
	-fno-common                     # one definition of everything
	-Wno-gnu-zero-variadic-macro-arguments # log_event("x") without key=value, gnu17
	$<$<C_COMPILER_ID:GNU>:-Wduplicated-cond>     # the same test twice is a typo
	$<$<C_COMPILER_ID:GNU>:-Wduplicated-branches> # so are equal branches
	$<$<C_COMPILER_ID:GNU>:-Wlogical-op>          # and `a || a`
	$<$<BOOL:${MAILFERRY_WERROR}>:-Werror>
)
target_compile_features(mailferry_warnings INTERFACE c_std_17)
# gnu17: TPROXY, splice and the cleanup attribute are Linux/GNU anyway.
set(CMAKE_C_STANDARD 17)
set(CMAKE_C_EXTENSIONS ON)
