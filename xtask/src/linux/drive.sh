# Gives the GPU to vfio-pci; the way is that of docs/vfio.md.
gpu=0000:00:02.0
modprobe vfio_pci || exit 1
modprobe vfio_iommu_type1 || exit 1
echo vfio-pci >/sys/bus/pci/devices/$gpu/driver_override
[ -e /sys/bus/pci/devices/$gpu/driver ] && echo $gpu >/sys/bus/pci/devices/$gpu/driver/unbind
echo $gpu >/sys/bus/pci/drivers_probe
