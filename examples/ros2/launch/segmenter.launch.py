"""ros2 launch salanet_ros segmenter.launch.py model:=rooms.safetensors points:=/lidar/points"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription(
        [
            DeclareLaunchArgument("model"),
            DeclareLaunchArgument("points", default_value="points"),
            DeclareLaunchArgument("threads", default_value="0"),
            Node(
                package="salanet_ros",
                executable="segmenter",
                parameters=[
                    {
                        "model": LaunchConfiguration("model"),
                        "threads": LaunchConfiguration("threads"),
                    }
                ],
                remappings=[("points", LaunchConfiguration("points"))],
            ),
        ]
    )
