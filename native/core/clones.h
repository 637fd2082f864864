// Elementwise loops are compiled for wider vectors too and chosen when the addon loads. Contraction is off
// (-ffp-contract=off) and nothing is reassociated, so every version gives the same bits.
#pragma once

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define MILLRACE_CLONES __attribute__((target_clones("avx512f", "avx2", "default"), optimize("O3")))
#else
#define MILLRACE_CLONES
#endif
