/* Labels a PLY file: label_ply MODEL.safetensors IN.ply OUT.ply
 *
 * Reads ascii or binary little-endian PLY whose first element is `vertex` with scalar properties;
 * writes x, y, z, red, green, blue and label. Built with nothing but the C library:
 *
 *     cc label_ply.c -lsalanet -o label_ply
 */
#include <salanet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_PROPERTIES = 64, LINE = 512 };

typedef struct {
  char type[16], name[64];
} property;

typedef struct {
  size_t count;
  double *points;
  uint8_t *rgb; /* null if the file has no colours */
} cloud;

static void fail(const char *what, const char *which) {
  fprintf(stderr, "label_ply: %s: %s\n", which, what);
  exit(2);
}

static void *allocate(size_t count, size_t size) {
  void *memory = calloc(count ? count : 1, size);
  if (memory == NULL) fail("too little memory", "cloud");
  return memory;
}

/* One value of a binary file, or of an ascii one; 0 at its end. */
static int read_value(FILE *file, int binary, const char *type, double *value) {
  if (!binary) return fscanf(file, "%lf", value) == 1;
#define READ(name, other, T)                                   \
  if (strcmp(type, name) == 0 || strcmp(type, other) == 0) { \
    T found;                                                 \
    if (fread(&found, sizeof found, 1, file) != 1) return 0; \
    *value = (double)found;                                  \
    return 1;                                                \
  }
  READ("float", "float32", float)
  READ("double", "float64", double)
  READ("char", "int8", int8_t)
  READ("uchar", "uint8", uint8_t)
  READ("short", "int16", int16_t)
  READ("ushort", "uint16", uint16_t)
  READ("int", "int32", int32_t)
  READ("uint", "uint32", uint32_t)
#undef READ
  return 0;
}

static int read_header(FILE *file, const char *path, property *properties, int *binary,
                       size_t *count) {
  char line[LINE], word[64];
  int used = 0, vertex = 0, seen = 0;
  if (fgets(line, LINE, file) == NULL || strncmp(line, "ply", 3) != 0) fail("no PLY file", path);
  while (fgets(line, LINE, file) != NULL && strncmp(line, "end_header", 10) != 0) {
    if (sscanf(line, "format %63s", word) == 1) {
      *binary = strcmp(word, "ascii") != 0;
      if (*binary && strcmp(word, "binary_little_endian") != 0) fail("big-endian", path);
    } else if (sscanf(line, "element %63s", word) == 1) {
      vertex = !seen && strcmp(word, "vertex") == 0;
      if (!seen && !vertex) fail("its first element is not vertex", path);
      if (vertex && sscanf(line, "element vertex %zu", count) != 1) fail("no vertex count", path);
      seen = 1;
    } else if (vertex && strncmp(line, "property", 8) == 0) {
      if (used == MOST_PROPERTIES || strncmp(line, "property list", 13) == 0 ||
          sscanf(line, "property %15s %63s", properties[used].type, properties[used].name) != 2)
        fail("its properties are not plain numbers", path);
      ++used;
    }
  }
  return used;
}

static cloud read_ply(const char *path) {
  static const char *const wanted[] = {"x", "y", "z", "red", "green", "blue"};
  property properties[MOST_PROPERTIES];
  cloud found = {0, NULL, NULL};
  int binary = 0, used, at, k, colours = 0;
  size_t i;
  FILE *file = fopen(path, "rb");
  if (file == NULL) fail("cannot be opened", path);
  used = read_header(file, path, properties, &binary, &found.count);
  for (at = 0; at < used; ++at)
    for (k = 3; k < 6; ++k) colours += strcmp(properties[at].name, wanted[k]) == 0;
  if (found.count > (size_t)1 << 31) fail("too many points", path);
  found.points = allocate(found.count, 3 * sizeof(double));
  if (colours == 3) found.rgb = allocate(found.count, 3);
  for (i = 0; i < found.count; ++i)
    for (at = 0; at < used; ++at) {
      double value = 0;
      if (!read_value(file, binary, properties[at].type, &value)) fail("ends too early", path);
      for (k = 0; k < 6; ++k) {
        if (strcmp(properties[at].name, wanted[k]) != 0) continue;
        if (k < 3)
          found.points[3 * i + (size_t)k] = value;
        else if (found.rgb != NULL)
          found.rgb[3 * i + (size_t)k - 3] = (uint8_t)value;
      }
    }
  fclose(file);
  return found;
}

static void write_ply(const char *path, const cloud *given, const int32_t *labels,
                      const salanet_model *model) {
  size_t i;
  FILE *file = fopen(path, "wb");
  if (file == NULL) fail("cannot be written", path);
  fprintf(file, "ply\nformat binary_little_endian 1.0\n");
  for (i = 0; i < salanet_class_count(model); ++i)
    fprintf(file, "comment label %d %s\n", (int)salanet_class_code(model, i),
            salanet_class_name(model, i));
  fprintf(file, "element vertex %zu\n", given->count);
  fprintf(file, "property double x\nproperty double y\nproperty double z\n");
  fprintf(file, "property uchar red\nproperty uchar green\nproperty uchar blue\n");
  fprintf(file, "property int label\nend_header\n");
  for (i = 0; i < given->count; ++i) {
    static const uint8_t black[3] = {0, 0, 0};
    const int32_t code =
        labels[i] < 0 ? -1 : salanet_class_code(model, (size_t)labels[i]);
    fwrite(given->points + 3 * i, sizeof(double), 3, file);
    fwrite(given->rgb != NULL ? given->rgb + 3 * i : black, 1, 3, file);
    fwrite(&code, sizeof code, 1, file);
  }
  if (fclose(file) != 0) fail("cannot be written", path);
}

int main(int count, char **arguments) {
  salanet_error error;
  salanet_model *model;
  cloud given;
  int32_t *labels;
  if (count != 4) {
    fprintf(stderr, "usage: label_ply MODEL.safetensors IN.ply OUT.ply\n");
    return 2;
  }
  if (salanet_open(arguments[1], &model, &error) != SALANET_OK) fail(error.text, "model");
  given = read_ply(arguments[2]);
  labels = allocate(given.count, sizeof *labels);
  if (salanet_segment(model, given.points, given.rgb, NULL, given.count, NULL, labels, NULL,
                      &error) != SALANET_OK)
    fail(error.text, arguments[2]);
  write_ply(arguments[3], &given, labels, model);
  printf("%zu points labelled\n", given.count);
  free(labels);
  free(given.points);
  free(given.rgb);
  salanet_close(model);
  return 0;
}
