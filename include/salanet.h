/* libsalanet: a model file and a point cloud in, a class for every point out.
 *
 * Plain C, no exceptions, no Python. A model is read once and may then be used by several threads
 * at once. The library keeps nothing between calls but what belongs to a model, and worker threads
 * that wait for the next call that wants more than one.
 *
 *     salanet_error error;
 *     salanet_model *model;
 *     if (salanet_open("rooms.safetensors", &model, &error) != SALANET_OK) puts(error.text);
 *     int32_t *labels = malloc(n * sizeof *labels);
 *     salanet_segment(model, points, rgb, NULL, n, NULL, labels, NULL, &error);
 *     salanet_close(model);
 */
#ifndef SALANET_H
#define SALANET_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32) && defined(SALANET_SHARED)
#if defined(SALANET_BUILDING)
#define SALANET_API __declspec(dllexport)
#else
#define SALANET_API __declspec(dllimport)
#endif
#elif defined(__GNUC__)
#define SALANET_API __attribute__((visibility("default")))
#else
#define SALANET_API
#endif

#ifdef __cplusplus
extern "C" {
#define SALANET_NOTHROW noexcept
#else
#define SALANET_NOTHROW
#endif

typedef enum salanet_status {
  SALANET_OK = 0,
  SALANET_BAD_ARGUMENT = 1, /* a null pointer, a size out of range */
  SALANET_BAD_FILE = 2,     /* cannot be read, is damaged, or of a model that needs more */
  SALANET_BAD_DATA = 3,     /* the cloud is empty, too wide, or lacks what the model needs; or the
                               model finds no finite scores for it */
  SALANET_NO_MEMORY = 4,
  SALANET_FAILED = 5        /* anything else */
} salanet_status;

/* What went wrong, for people: one line of UTF-8, ended by a zero; empty after success. */
typedef struct salanet_error {
  char text[512];
} salanet_error;

/* A model that is open. */
typedef struct salanet_model salanet_model;

/* Of the products of the network. SALANET_BF16 rounds their inputs and weights to bfloat16 (sums are
 * float32): less time, and another class for 3 or 4 points in ten thousand. Where processor or
 * system lack such products (AMX on Linux has them) it is SALANET_FLOAT32. */
typedef enum salanet_precision { SALANET_FLOAT32 = 0, SALANET_BF16 = 1 } salanet_precision;

/* How to segment; a null pointer or zeros are the usual. */
typedef struct salanet_options {
  size_t size;            /* sizeof(salanet_options), so that later versions may add to it; or 0 */
  int32_t threads;        /* 0: one for each processor; the labels are the same for any number */
  int32_t precision;      /* a salanet_precision */
  size_t tile_points;     /* most cells of one pass, which bounds the memory; 0: 250,000 */
  double intensity_scale; /* the intensity that becomes 1; 0: that of the model's training, or for a
                             model that was trained on each cloud's own, that of the cloud */
} salanet_options;

/* The library's version, such as "0.1.0". */
SALANET_API const char *salanet_version(void) SALANET_NOTHROW;

/* Opens a .safetensors model file. Nothing in it is executed, nothing outside it is read, and no
 * more is allocated than it holds. On failure *model is null. `error` may be null, here and below. */
SALANET_API salanet_status salanet_open(const char *path, salanet_model **model,
                                        salanet_error *error) SALANET_NOTHROW;

/* The same for a file in memory, which is not needed afterwards. */
SALANET_API salanet_status salanet_open_memory(const void *data, size_t size, salanet_model **model,
                                               salanet_error *error) SALANET_NOTHROW;

/* Null is allowed. */
SALANET_API void salanet_close(salanet_model *model) SALANET_NOTHROW;

/* Classes are numbered from 0. The name lives as long as the model; null for a number that is none.
 * The code is that of the class in the training files; the number itself where there is none. */
SALANET_API size_t salanet_class_count(const salanet_model *model) SALANET_NOTHROW;
SALANET_API const char *salanet_class_name(const salanet_model *model, size_t number) SALANET_NOTHROW;
SALANET_API int32_t salanet_class_code(const salanet_model *model, size_t number) SALANET_NOTHROW;

/* The size in metres of the cells that the model works on. */
SALANET_API double salanet_cell_size(const salanet_model *model) SALANET_NOTHROW;

/* Gives every point a class.
 *
 * points         (n, 3) x, y, z in metres, z up; any origin. Points with NaN or infinite coordinates
 *                belong to no class.
 * rgb            (n, 3) colours; null if there are none.
 * intensity      (n,) as the source stores it; null if there is none. NaN: unknown.
 * labels         (n,) receives the classes; -1 for none.
 * probabilities  (n, classes) receives those of the classes; null if not wanted.
 *
 * Points are averaged over cells of salanet_cell_size, the network labels the cells, and every point
 * takes the result of its cell. A model that cannot do without colours or intensities fails without
 * them. Heights above the terrain, where a model takes them, come from the points of the call: give it
 * the surroundings too. Points far from all others are labelled like the rest, and pull the terrain to
 * them: leave them out beforehand. */
SALANET_API salanet_status salanet_segment(const salanet_model *model, const double *points,
                                           const uint8_t *rgb, const float *intensity, size_t n,
                                           const salanet_options *options, int32_t *labels,
                                           float *probabilities, salanet_error *error) SALANET_NOTHROW;

#ifdef __cplusplus
}
#endif

#endif
