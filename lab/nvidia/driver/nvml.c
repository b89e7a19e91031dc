/*
 * Stand-in for NVIDIA's management library, as far as the container toolkit and our stand-in nvidia-smi ask it: one GPU
 * for each device node. There is no driver behind it. The version is set when it is compiled.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { SUCCESS = 0, NOT_SUPPORTED = 3, NOT_FOUND = 6, DRIVER_NOT_LOADED = 9 };
enum { GPUS = 8 };

typedef struct {
    char bus_id_legacy[16];
    unsigned int domain, bus, device, pci_device_id, pci_subsystem_id;
    char bus_id[32];
} pci_info;

static int minors[GPUS];

static int there(int minor)
{
    char path[32];
    snprintf(path, sizeof path, "/dev/nvidia%d", minor);
    return access(path, F_OK) == 0;
}

static int minor_of(void *gpu)
{
    return *(int *)gpu;
}

int nvmlInit_v2(void)
{
    for (int minor = 0; minor < GPUS; minor++)
        minors[minor] = minor;
    return access("/dev/nvidiactl", F_OK) == 0 ? SUCCESS : DRIVER_NOT_LOADED;
}

int nvmlShutdown(void)
{
    return SUCCESS;
}

const char *nvmlErrorString(int result)
{
    return result == SUCCESS ? "Success" : result == DRIVER_NOT_LOADED ? "Driver Not Loaded" : "Unknown Error";
}

int nvmlSystemGetDriverVersion(char *version, unsigned int length)
{
    snprintf(version, length, "%s", DRIVER_VERSION);
    return SUCCESS;
}

int nvmlDeviceGetCount_v2(unsigned int *count)
{
    *count = 0;
    for (int minor = 0; minor < GPUS; minor++)
        *count += there(minor);
    return SUCCESS;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned int index, void **gpu)
{
    for (int minor = 0; minor < GPUS; minor++) {
        if (there(minor) && index-- == 0) {
            *gpu = &minors[minor];
            return SUCCESS;
        }
    }
    return NOT_FOUND;
}

int nvmlDeviceGetUUID(void *gpu, char *uuid, unsigned int length)
{
    snprintf(uuid, length, "GPU-00000000-0000-0000-0000-%012d", minor_of(gpu));
    return SUCCESS;
}

int nvmlDeviceGetHandleByUUID(const char *uuid, void **gpu)
{
    char own[64];
    for (int minor = 0; minor < GPUS; minor++) {
        nvmlDeviceGetUUID(&minors[minor], own, sizeof own);
        if (there(minor) && strcmp(own, uuid) == 0) {
            *gpu = &minors[minor];
            return SUCCESS;
        }
    }
    return NOT_FOUND;
}

int nvmlDeviceGetIndex(void *gpu, unsigned int *index)
{
    *index = 0;
    for (int minor = 0; minor < minor_of(gpu); minor++)
        *index += there(minor);
    return SUCCESS;
}

int nvmlDeviceGetMinorNumber(void *gpu, unsigned int *minor)
{
    *minor = minor_of(gpu);
    return SUCCESS;
}

int nvmlDeviceGetName(void *gpu, char *name, unsigned int length)
{
    (void)gpu;
    snprintf(name, length, "Stand-in GPU");
    return SUCCESS;
}

int nvmlDeviceGetPciInfo_v3(void *gpu, pci_info *info)
{
    memset(info, 0, sizeof *info);
    info->bus = 1 + minor_of(gpu);
    snprintf(info->bus_id_legacy, sizeof info->bus_id_legacy, "0000:%02X:00.0", info->bus);
    snprintf(info->bus_id, sizeof info->bus_id, "00000000:%02X:00.0", info->bus);
    return SUCCESS;
}

int nvmlDeviceGetMigMode(void *gpu, unsigned int *current, unsigned int *pending)
{
    (void)gpu, (void)current, (void)pending;
    return NOT_SUPPORTED;
}

int nvmlDeviceGetMaxMigDeviceCount(void *gpu, unsigned int *count)
{
    (void)gpu;
    *count = 0;
    return SUCCESS;
}

int nvmlDeviceIsMigDeviceHandle(void *gpu, unsigned int *is_mig)
{
    (void)gpu;
    *is_mig = 0;
    return SUCCESS;
}
