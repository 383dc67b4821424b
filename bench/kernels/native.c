/* The same work in C for this machine: what a simple hand-written native kernel reaches. Compiled when the
   bench runs, with -O3 -march=native. Prints "name threads-free figure" lines; see run.ts. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <immintrin.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}
static int less(const void *a, const void *b) { return (*(double *)a > *(double *)b) - (*(double *)a < *(double *)b); }
static volatile float sink;

#define MEDIAN(runs, body, result)                                                                                     \
  do {                                                                                                                 \
    double times[64];                                                                                                  \
    for (int run_ = 0; run_ < (runs) + 1; run_++) {                                                                    \
      double start_ = now();                                                                                           \
      body;                                                                                                            \
      if (run_ > 0) times[run_ - 1] = now() - start_;                                                                  \
    }                                                                                                                  \
    qsort(times, runs, sizeof(double), less);                                                                          \
    result = times[(runs) / 2];                                                                                        \
  } while (0)

static uint64_t read_all(const uint64_t *p, size_t words) {
  uint64_t a = 0;
  for (size_t i = 0; i < words; i++) a ^= p[i];
  return a;
}

/* Four rows at a time, vectorised by hand as far as the machine goes. */
static void matvec_f32(const float *w, const float *x, float *y, int rows, int cols) {
  for (int r = 0; r < rows; r++) {
    const float *row = w + (size_t)r * cols;
#ifdef __AVX512F__
    __m512 a = _mm512_setzero_ps(), b = a, c = a, d = a;
    for (int k = 0; k < cols; k += 64) {
      a = _mm512_fmadd_ps(_mm512_loadu_ps(row + k), _mm512_loadu_ps(x + k), a);
      b = _mm512_fmadd_ps(_mm512_loadu_ps(row + k + 16), _mm512_loadu_ps(x + k + 16), b);
      c = _mm512_fmadd_ps(_mm512_loadu_ps(row + k + 32), _mm512_loadu_ps(x + k + 32), c);
      d = _mm512_fmadd_ps(_mm512_loadu_ps(row + k + 48), _mm512_loadu_ps(x + k + 48), d);
    }
    y[r] = _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(a, b), _mm512_add_ps(c, d)));
#else
    float sum[16] = {0};
    for (int k = 0; k < cols; k += 16)
      for (int j = 0; j < 16; j++) sum[j] += row[k + j] * x[k + j];
    float total = 0;
    for (int j = 0; j < 16; j++) total += sum[j];
    y[r] = total;
#endif
  }
}

/* W packed [N / 16][K][16]; 8 tokens by 16 rows a tile. */
static void gemm_f32(const float *w, const float *x, float *y, int m, int n, int k) {
  for (int p = 0; p < n / 16; p++)
    for (int t = 0; t < m; t += 8) {
#ifdef __AVX512F__
      __m512 a[8];
      for (int i = 0; i < 8; i++) a[i] = _mm512_setzero_ps();
      const float *panel = w + (size_t)p * k * 16;
      for (int c = 0; c < k; c++) {
        __m512 v = _mm512_loadu_ps(panel + c * 16);
        for (int i = 0; i < 8; i++) a[i] = _mm512_fmadd_ps(v, _mm512_set1_ps(x[(size_t)(t + i) * k + c]), a[i]);
      }
      for (int i = 0; i < 8; i++) _mm512_storeu_ps(y + (size_t)(t + i) * n + p * 16, a[i]);
#else
      float a[8][16] = {{0}};
      const float *panel = w + (size_t)p * k * 16;
      for (int c = 0; c < k; c++)
        for (int i = 0; i < 8; i++)
          for (int j = 0; j < 16; j++) a[i][j] += panel[c * 16 + j] * x[(size_t)(t + i) * k + c];
      for (int i = 0; i < 8; i++) memcpy(y + (size_t)(t + i) * n + p * 16, a[i], 64);
#endif
    }
}

/* W packed [N / 16][K / 4][16][4], inputs of 7 bits; integer sums only. */
static void gemm_int8(const int8_t *w, const uint8_t *x, int32_t *y, int m, int n, int k) {
  for (int p = 0; p < n / 16; p++)
    for (int t = 0; t < m; t += 8) {
      const int8_t *panel = w + (size_t)p * k * 16;
#ifdef __AVX512VNNI__
      __m512i a[8];
      for (int i = 0; i < 8; i++) a[i] = _mm512_setzero_si512();
      for (int c = 0; c < k; c += 4) {
        __m512i v = _mm512_loadu_si512(panel + (size_t)c * 16);
        for (int i = 0; i < 8; i++) {
          int32_t four;
          memcpy(&four, x + (size_t)(t + i) * k + c, 4);
          a[i] = _mm512_dpbusd_epi32(a[i], _mm512_set1_epi32(four), v);
        }
      }
      for (int i = 0; i < 8; i++) _mm512_storeu_si512(y + (size_t)(t + i) * n + p * 16, a[i]);
#else
      int32_t a[8][16] = {{0}};
      for (int c = 0; c < k; c += 4)
        for (int i = 0; i < 8; i++)
          for (int j = 0; j < 16; j++)
            for (int q = 0; q < 4; q++) a[i][j] += panel[c * 16 + j * 4 + q] * x[(size_t)(t + i) * k + c + q];
      for (int i = 0; i < 8; i++) memcpy(y + (size_t)(t + i) * n + p * 16, a[i], 64);
#endif
    }
}

static void gemm_int8_row(const int8_t *w, const uint8_t *x, float *y, int rows, int cols) {
  for (int p = 0; p < rows / 16; p++) {
    const int8_t *panel = w + (size_t)p * cols * 16;
#ifdef __AVX512VNNI__
    __m512i a = _mm512_setzero_si512(), b = a, c4 = a, d = a;
    for (int c = 0; c < cols; c += 16) {
      int32_t f[4];
      memcpy(f, x + c, 16);
      a = _mm512_dpbusd_epi32(a, _mm512_set1_epi32(f[0]), _mm512_loadu_si512(panel + (size_t)c * 16));
      b = _mm512_dpbusd_epi32(b, _mm512_set1_epi32(f[1]), _mm512_loadu_si512(panel + (size_t)c * 16 + 64));
      c4 = _mm512_dpbusd_epi32(c4, _mm512_set1_epi32(f[2]), _mm512_loadu_si512(panel + (size_t)c * 16 + 128));
      d = _mm512_dpbusd_epi32(d, _mm512_set1_epi32(f[3]), _mm512_loadu_si512(panel + (size_t)c * 16 + 192));
    }
    _mm512_storeu_ps(y + p * 16, _mm512_cvtepi32_ps(_mm512_add_epi32(_mm512_add_epi32(a, b), _mm512_add_epi32(c4, d))));
#else
    int32_t a[16] = {0};
    for (int c = 0; c < cols; c += 4)
      for (int j = 0; j < 16; j++)
        for (int q = 0; q < 4; q++) a[j] += panel[c * 16 + j * 4 + q] * x[c + q];
    for (int j = 0; j < 16; j++) y[p * 16 + j] = a[j];
#endif
  }
}

int main(int argc, char **argv) {
  size_t bytes = (size_t)(argc > 1 ? atol(argv[1]) : 256) << 20;
  int runs = argc > 2 ? atoi(argv[2]) : 7, cols = 4096, m = 96, n = 2048, k = 2048;
  float *w = aligned_alloc(64, bytes), *x = aligned_alloc(64, 1 << 22), *y = aligned_alloc(64, 1 << 24);
  for (size_t i = 0; i < bytes / 4; i++) w[i] = (float)((i * 2654435761u) >> 16 & 255) / 256 - 0.5f;
  for (int i = 0; i < 1 << 20; i++) x[i] = (float)(i & 63) / 64;
  double t;
  MEDIAN(runs, sink = (float)read_all((uint64_t *)w, bytes / 8), t);
  printf("read %g\n", bytes / t / 1e9);
  MEDIAN(runs, matvec_f32(w, x, y, bytes / 4 / cols, cols), t);
  printf("f32 %g\n", bytes / t / 1e9);
  MEDIAN(runs, gemm_int8_row((int8_t *)w, (uint8_t *)x, y, bytes / cols, cols), t);
  printf("int8 %g\n", bytes / t / 1e9);
  MEDIAN(runs, gemm_f32(w, x, y, m, n, k), t);
  printf("gemm-f32 %g\n", 2.0 * m * n * k / t / 1e9);
  for (int i = 0; i < m * k; i++) ((uint8_t *)x)[i] = i & 127;
  MEDIAN(runs, gemm_int8((int8_t *)w, (uint8_t *)x, (int32_t *)y, m, n, k), t);
  printf("gemm-int8 %g\n", 2.0 * m * n * k / t / 1e9);
  sink = y[1];
  return 0;
}
