/* Group norm, SiLU and 3 x 3 convolution of pictures with their samples last, on one core.
 *
 * Pictures are (rows, channels, height, width, count), single precision. `wide` ones have a frame of
 * one pixel of zeros. A row is a network with weights of its own, (outputs, inputs, 3, 3). All counts
 * are multiples of PIXEL, so that a tile of PIXEL samples never leaves its pixel.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Sixteen at a time, of glibc's libmvec. */
extern float expf(float) __attribute__((simd("notinbranch"), const, nothrow));

#define PIXEL 32
#define INLINE static inline __attribute__((always_inline))

typedef float vector __attribute__((vector_size(64), aligned(4)));
enum { LANES = 16, VECTORS = PIXEL / LANES };

/* Outputs o .. o + many - 1 of a tile, in registers. */
INLINE void tile(int many, const float *x, long plane, long line, long count, int inputs,
                 const float *weight, const float *bias, const float *shift, float *y, long next)
{
    vector sum[8][VECTORS];
    for (int o = 0; o < many; o++)
        for (int v = 0; v < VECTORS; v++)
            {
            sum[o][v] = (vector){0} + (bias ? bias[o] : 0.0f);
            if (shift)
                sum[o][v] += ((const vector *)(shift + o * count))[v];
        }
    for (int c = 0; c < inputs; c++, x += plane)
        for (int dy = 0; dy < 3; dy++)
            for (int dx = 0; dx < 3; dx++) {
                const vector *from = (const vector *)(x + dy * line + dx * count);
#pragma GCC unroll 8
                for (int o = 0; o < many; o++) {
                    float w = weight[9L * inputs * o + 9 * c + 3 * dy + dx];
#pragma GCC unroll 2
                    for (int v = 0; v < VECTORS; v++)
                        sum[o][v] += w * from[v];
                }
            }
#pragma GCC unroll 8
    for (int o = 0; o < many; o++)
        for (int v = 0; v < VECTORS; v++)
            ((vector *)(y + o * next))[v] = sum[o][v];
}

/* `biases` are (rows, outputs), `shifts` (rows, outputs, count); null: none. */
static void convolve(const float *wide, const float *weights, const float *biases,
                     const float *shifts, float *out, int rows, int inputs, int outputs, int height, int width, int count, int stride)
{
    long line = (stride * width + 2L) * count, plane = (stride * height + 2L) * line;
    long next = (long)height * width * count;
    for (int r = 0; r < rows; r++)
        for (int i = 0; i < height; i++)
            for (int j = 0; j < width * count; j += PIXEL) {
                int pixel = j / count, sample = j % count;
                const float *x = wide + r * inputs * plane + stride * i * line
                                 + (long)stride * pixel * count + sample;
                const float *w = weights + 9L * r * inputs * outputs, *b = biases ? biases + r * outputs : 0;
                const float *shift = shifts ? shifts + (long)r * outputs * count + sample : 0;
                float *y = out + r * outputs * next + (long)i * width * count + j;
                int o = 0;
#define TILE(many) \
    tile(many, x, plane, line, count, inputs, w + 9L * inputs * o, b ? b + o : 0, \
         shift ? shift + (long)o * count : 0, y + o * next, next)
                for (; o + 8 <= outputs; o += 8)
                    TILE(8);
                for (; o + 4 <= outputs; o += 4)
                    TILE(4);
                for (; o < outputs; o++)
                    TILE(1);
#undef TILE
            }
}

INLINE float total(vector v)
{
    float sum = 0.0f;
    for (int i = 0; i < LANES; i++)
        sum += v[i];
    return sum;
}

/* Gradients of the nine weights from one input to `many` outputs. */
INLINE void products(int many, const float *x, const float *gradient, long next, int height, int width,
                     int count, int stride, float *weight, long between)
{
    long line = (stride * width + 2L) * count;
    vector sum[2][9];
    for (int o = 0; o < many; o++)
        for (int k = 0; k < 9; k++)
            sum[o][k] = (vector){0};
    for (int i = 0; i < height; i++)
        for (int pixel = 0; pixel < width; pixel++)
            for (int j = 0; j < count; j += LANES) {
                const float *from = x + stride * (i * line + (long)pixel * count) + j;
                const float *g = gradient + ((long)i * width + pixel) * count + j;
#pragma GCC unroll 9
                for (int k = 0; k < 9; k++) {
                    vector neighbour = *(const vector *)(from + k / 3 * line + k % 3 * count);
#pragma GCC unroll 2
                    for (int o = 0; o < many; o++)
                        sum[o][k] += *(const vector *)(g + o * next) * neighbour;
                }
            }
    for (int o = 0; o < many; o++)
        for (int k = 0; k < 9; k++)
            weight[o * between + k] = total(sum[o][k]);
}

static void weigh(const float *wide, const float *gradient, float *weights, int rows, int inputs, int outputs,
           int height, int width, int count, int stride)
{
    long plane = (stride * height + 2L) * (stride * width + 2L) * count;
    long next = (long)height * width * count;
    for (int r = 0; r < rows; r++)
        for (int o = 0; o < outputs; o += 2)
            for (int c = 0; c < inputs; c++) {
                const float *x = wide + ((long)r * inputs + c) * plane;
                const float *g = gradient + ((long)r * outputs + o) * next;
                float *w = weights + 9L * (((long)r * outputs + o) * inputs + c);
                if (o + 2 <= outputs)
                    products(2, x, g, next, height, width, count, stride, w, 9L * inputs);
                else
                    products(1, x, g, next, height, width, count, stride, w, 9L * inputs);
            }
}

/* A frame of zeros; at stride 2 zeros between pixels too. */
static void widen(const float *x, float *wide, int pictures, int height, int width, int count, int stride)
{
    long line = (stride * width + 2L) * count, plane = (stride * height + 2L) * line;
    for (int p = 0; p < pictures; p++, wide += plane) {
        if (stride > 1)
            memset(wide, 0, sizeof(float) * plane);
        memset(wide, 0, sizeof(float) * line);
        memset(wide + plane - line, 0, sizeof(float) * line);
        for (int i = 0; i < height; i++) {
            float *to = wide + (1 + stride * i) * line;
            memset(to, 0, sizeof(float) * count);
            memset(to + line - count, 0, sizeof(float) * count);
            if (stride == 1) {
                memcpy(to + count, x, sizeof(float) * width * count);
                x += (long)width * count;
                continue;
            }
            for (int k = 0; k < width; k++, x += count)
                memcpy(to + (1L + stride * k) * count, x, sizeof(float) * count);
        }
    }
}

/* SiLU of the group norm of `rows` networks in turn, in a frame of zeros; `mean` and `scale` are
 * (rows, groups, count). */
static void activate(const float *x, const float *weight, const float *bias, float *mean, float *scale,
              float *wide, int groups, int channels, int height, int width, int count)
{
    long line = (width + 2L) * count, plane = (height + 2L) * line;
    long pixels = (long)height * width, points = channels * pixels;
    memset(wide, 0, sizeof(float) * groups * channels * plane);
    for (int g = 0; g < groups; g++, x += points * count, mean += count, scale += count)
        for (int start = 0; start < count; start += PIXEL) {
            float centre[PIXEL] = {0}, size[PIXEL] = {0};
            for (long p = 0; p < points; p++)
                for (int j = 0; j < PIXEL; j++)
                    centre[j] += x[p * count + start + j];
            for (int j = 0; j < PIXEL; j++)
                mean[start + j] = centre[j] /= points;
            for (long p = 0; p < points; p++)
                for (int j = 0; j < PIXEL; j++) {
                    float off = x[p * count + start + j] - centre[j];
                    size[j] += off * off;
                }
            for (int j = 0; j < PIXEL; j++)
                scale[start + j] = size[j] = 1.0f / sqrtf(size[j] / points + 1e-5f);
            for (long p = 0; p < points; p++) {
                long channel = (long)g * channels + p / pixels, pixel = p % pixels;
                const float *from = x + p * count + start;
                float w = weight[channel], b = bias[channel];
                float *to = wide + channel * plane + (1 + pixel / width) * line
                            + (1 + pixel % width) * count + start;
                for (int j = 0; j < PIXEL; j++) {
                    float y = w * (from[j] - centre[j]) * size[j] + b;
                    to[j] = y / (1.0f + expf(-y));
                }
            }
        }
}

/* Back through SiLU and group norm; `gradient` is overwritten. */
static void activate_back(float *gradient, const float *x, const float *weight, const float *bias,
                   const float *mean, const float *scale, float *out, float *of_weight, float *of_bias,
                   int groups, int channels, int pixels, int count)
{
    long points = (long)channels * pixels;
    memset(of_weight, 0, sizeof(float) * groups * channels);
    memset(of_bias, 0, sizeof(float) * groups * channels);
    for (int g = 0; g < groups; g++)
        for (int start = 0; start < count; start += PIXEL) {
            long at = g * points * count + start;
            const float *centre = mean + (long)g * count + start, *size = scale + (long)g * count + start;
            float plain[PIXEL] = {0}, along[PIXEL] = {0};
            for (int c = 0; c < channels; c++) {
                float w = weight[g * channels + c], b = bias[g * channels + c];
                float sums[PIXEL] = {0}, times[PIXEL] = {0};
                for (long p = (long)c * pixels; p < (c + 1L) * pixels; p++)
                    for (int j = 0; j < PIXEL; j++) {
                        float z = (x[at + p * count + j] - centre[j]) * size[j], y = w * z + b;
                        float share = 1.0f / (1.0f + expf(-y));
                        float slope = gradient[at + p * count + j] * share * (1.0f + y * (1.0f - share));
                        gradient[at + p * count + j] = slope;
                        sums[j] += slope;
                        times[j] += slope * z;
                    }
                for (int j = 0; j < PIXEL; j++) {
                    of_bias[g * channels + c] += sums[j];
                    of_weight[g * channels + c] += times[j];
                    plain[j] += w * sums[j] / points;
                    along[j] += w * times[j] / points;
                }
            }
            for (long p = 0; p < points; p++) {
                float w = weight[g * channels + p / pixels];
                for (int j = 0; j < PIXEL; j++) {
                    float z = (x[at + p * count + j] - centre[j]) * size[j];
                    out[at + p * count + j] =
                        size[j] * (w * gradient[at + p * count + j] - plain[j] - along[j] * z);
                }
            }
        }
}

/* The window as an input pixel sees it: turned by half a turn, inputs and outputs exchanged. */
static void turn(const float *weights, float *turned, int rows, int inputs, int outputs)
{
    for (int r = 0; r < rows; r++, weights += 9L * inputs * outputs)
        for (int c = 0; c < inputs; c++)
            for (int o = 0; o < outputs; o++)
                for (int k = 8; k >= 0; k--)
                    *turned++ = weights[9L * (o * inputs + c) + k];
}

/* y = convolution of x or, where there is a `gain`, of SiLU of its group norm. Height and width are
 * those of x; `mean` and `scale` (rows, groups, count) and `wide` are kept for the way back. */
void forward(const float *x, const float *weights, const float *biases, const float *shifts,
             const float *gain, const float *offset, float *mean, float *scale, float *wide, float *y, int rows, int inputs,
             int outputs, int height, int width, int count, int stride, int groups)
{
    if (gain)
        activate(x, gain, offset, mean, scale, wide, rows * groups, inputs / groups, height, width, count);
    else
        widen(x, wide, rows * inputs, height, width, count, 1);
    convolve(wide, weights, biases, shifts, y, rows, inputs, outputs, height / stride, width / stride, count,
             stride);
}

/* Gradients of everything but statistics; none of x if `of_x` is null. Returns 0 if there was no
 * memory. */
int backward(const float *gradient, const float *wide, const float *weights, const float *x,
             const float *gain, const float *offset, const float *mean, const float *scale,
             float *of_weights, float *of_biases, float *of_shifts, float *of_x, float *of_gain,
             float *of_offset, int rows, int inputs, int outputs, int height, int width, int count, int stride, int groups)
{
    int high = height / stride, broad = width / stride;
    weigh(wide, gradient, of_weights, rows, inputs, outputs, high, broad, count, stride);
    memset(of_shifts, 0, sizeof(float) * rows * outputs * count);
    for (long o = 0; o < (long)rows * outputs; o++) {
        for (long p = 0; p < (long)high * broad; p++)
            for (int j = 0; j < count; j++)
                of_shifts[o * count + j] += gradient[(o * high * broad + p) * count + j];
        of_biases[o] = 0.0f;
        for (int j = 0; j < count; j++)
            of_biases[o] += of_shifts[o * count + j];
    }
    if (!of_x)
        return 1;
    long pictures = (long)rows * inputs * height * width * count;
    long framed = (long)rows * outputs * (height + 2) * (width + 2) * count;
    long window = 9L * rows * inputs * outputs;
    float *scratch = malloc(sizeof(float) * (pictures + framed + window));
    if (!scratch)
        return 0;
    float *spread = scratch + pictures, *turned = spread + framed;
    widen(gradient, spread, rows * outputs, high, broad, count, stride);
    turn(weights, turned, rows, inputs, outputs);
    convolve(spread, turned, 0, 0, gain ? scratch : of_x, rows, outputs, inputs, height, width, count, 1);
    if (gain)
        activate_back(scratch, x, gain, offset, mean, scale, of_x, of_gain, of_offset, rows * groups,
                      inputs / groups, height * width, count);
    free(scratch);
    return 1;
}
