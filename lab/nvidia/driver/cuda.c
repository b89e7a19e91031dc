/*
 * Stand-in for the driver's CUDA library, as far as data_miner.cuda asks it. A GPU is there where its device nodes are;
 * its memory is that of the process.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SUCCESS = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, NO_DEVICE = 100, INVALID_DEVICE = 101, UNKNOWN = 999 };
enum { GPUS = 8, VERSION = 12040 };

#ifndef DEVICES
#define DEVICES "/dev"
#endif

static int count_gpus(void)
{
    char path[512];
    int count = 0;
    for (int minor = 0; minor < GPUS; minor++) {
        snprintf(path, sizeof path, DEVICES "/nvidia%d", minor);
        count += access(path, R_OK | W_OK) == 0;
    }
    return count;
}

/* As the driver's: without its control devices nothing starts. */
int cuInit(unsigned int flags)
{
    if (flags != 0)
        return INVALID_VALUE;
    if (access(DEVICES "/nvidiactl", R_OK | W_OK) != 0)
        return NO_DEVICE;
    if (access(DEVICES "/nvidia-uvm", R_OK | W_OK) != 0)
        return UNKNOWN;
    return count_gpus() > 0 ? SUCCESS : NO_DEVICE;
}

int cuDriverGetVersion(int *version)
{
    *version = VERSION;
    return SUCCESS;
}

int cuGetErrorName(int result, const char **name)
{
    *name = result == NO_DEVICE ? "CUDA_ERROR_NO_DEVICE" : result == UNKNOWN ? "CUDA_ERROR_UNKNOWN" : "CUDA_ERROR";
    return SUCCESS;
}

int cuDeviceGetCount(int *count)
{
    *count = count_gpus();
    return SUCCESS;
}

int cuDeviceGet(int *device, int ordinal)
{
    *device = ordinal;
    return ordinal < count_gpus() ? SUCCESS : INVALID_DEVICE;
}

int cuDeviceGetName(char *name, int length, int device)
{
    (void)device;
    snprintf(name, length, "Stand-in GPU");
    return SUCCESS;
}

int cuDeviceTotalMem_v2(size_t *bytes, int device)
{
    (void)device;
    *bytes = (size_t)1 << 30;
    return SUCCESS;
}

int cuDevicePrimaryCtxRetain(void **context, int device)
{
    static int contexts[GPUS];
    *context = &contexts[device];
    return SUCCESS;
}

int cuDevicePrimaryCtxRelease_v2(int device)
{
    (void)device;
    return SUCCESS;
}

int cuCtxSetCurrent(void *context)
{
    (void)context;
    return SUCCESS;
}

int cuMemAlloc_v2(unsigned long long *address, size_t bytes)
{
    *address = (unsigned long long)malloc(bytes);
    return *address ? SUCCESS : OUT_OF_MEMORY;
}

int cuMemFree_v2(unsigned long long address)
{
    free((void *)address);
    return SUCCESS;
}

int cuMemcpyHtoD_v2(unsigned long long target, const void *source, size_t bytes)
{
    memcpy((void *)target, source, bytes);
    return SUCCESS;
}

int cuMemcpyDtoH_v2(void *target, unsigned long long source, size_t bytes)
{
    memcpy(target, (void *)source, bytes);
    return SUCCESS;
}

int cuMemsetD8_v2(unsigned long long target, unsigned char value, size_t count)
{
    memset((void *)target, value, count);
    return SUCCESS;
}
