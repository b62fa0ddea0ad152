# SPDX-License-Identifier: GPL-3.0-or-later
set(MAILFERRY_SANITIZE "" CACHE STRING "comma-separated sanitizers, e.g. address,undefined")
include(CheckLinkerFlag)
option(MAILFERRY_FUZZ "build libFuzzer targets (needs clang)" OFF)
option(MAILFERRY_FUZZ_COMPARISONS "libFuzzer sees what is compared: a third of the time" ON)

add_library(mailferry_hardening INTERFACE)
target_compile_definitions(mailferry_hardening INTERFACE _GNU_SOURCE)
if(MAILFERRY_SANITIZE)
	target_compile_options(mailferry_hardening INTERFACE
		-fsanitize=${MAILFERRY_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
	target_link_options(mailferry_hardening INTERFACE -fsanitize=${MAILFERRY_SANITIZE})
	# 300 programs: half the time of the usual linker, where it is installed
	check_linker_flag(C -fuse-ld=gold MAILFERRY_HAS_GOLD)
	if(MAILFERRY_HAS_GOLD AND CMAKE_C_COMPILER_ID STREQUAL "GNU")
		target_link_options(mailferry_hardening INTERFACE -fuse-ld=gold)
	endif()
elseif(CMAKE_BUILD_TYPE STREQUAL "Release")
	target_compile_options(mailferry_hardening INTERFACE
		-O2 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 # bounds known to the compiler are checked (3 trips clang 14)
		-fstack-protector-strong -fstack-clash-protection
		-fcf-protection)
	target_link_options(mailferry_hardening INTERFACE -Wl,-z,relro,-z,now)
endif()
if(MAILFERRY_FUZZ)
	target_compile_options(mailferry_hardening INTERFACE -fsanitize=fuzzer-no-link)
	if(NOT MAILFERRY_FUZZ_COMPARISONS)
		target_compile_options(mailferry_hardening INTERFACE -fno-sanitize-coverage=trace-cmp)
	endif()
endif()
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
